"""Results of several sources in one table."""

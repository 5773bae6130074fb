"""Everything that is computed about one section of a report."""

"""The tables of a report: what they are, how they are made and rendered."""

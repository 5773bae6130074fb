"""What is known of a plan's jobs, and the rows of runs.csv."""

"""What the work of several kinds of job is made of. Imports torch."""

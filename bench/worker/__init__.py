"""Executes jobs, each in a process that may die."""

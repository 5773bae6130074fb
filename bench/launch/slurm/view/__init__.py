"""What became of what was submitted: looked at once, or followed to its end."""

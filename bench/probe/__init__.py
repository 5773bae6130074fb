"""What a suite will cost on this machine, from real steps."""

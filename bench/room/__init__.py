"""What a results folder holds that nobody misses."""

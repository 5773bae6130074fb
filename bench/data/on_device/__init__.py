"""What is done to batches of pixels on the device."""

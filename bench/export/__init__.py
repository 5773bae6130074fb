"""Models out: folders that timm loads, of what jobs left (`of_job`), and of a start made on the spot (`start`)."""

"""What each kind of job does: `execute(job, store)` in `work` runs one, whatever its kind."""

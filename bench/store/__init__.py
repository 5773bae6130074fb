"""The results directory: where things are, atomic files, locks, and what is known of each job."""

from bench.store.job_dir import JobDir
from bench.store.store import Store

__all__ = ["JobDir", "Store"]

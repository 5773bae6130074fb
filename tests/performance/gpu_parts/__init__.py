"""What tests/performance/gpu.py measures: a function for each part, which yields rows as they are known."""

from tests.performance.gpu_parts.launches import launches
from tests.performance.gpu_parts.memory import memory
from tests.performance.gpu_parts.record import Record
from tests.performance.gpu_parts.rows import Left, Row
from tests.performance.gpu_parts.safety import safety
from tests.performance.gpu_parts.shards import shards
from tests.performance.gpu_parts.size import REAL, TINY, Size
from tests.performance.gpu_parts.small import small
from tests.performance.gpu_parts.suite import suite
from tests.performance.gpu_parts.train_py import train_py
from tests.performance.gpu_parts.waits import waits
from tests.performance.gpu_parts.wave import wave

__all__ = ["PARTS", "REAL", "TINY", "Left", "Record", "Row", "Size"]

# What a part may take of ten minutes, in seconds where all are measured. What one leaves goes to those after it; first
# comes what the targets are about.
PARTS = {
    memory: 180, wave: 75, small: 85, suite: 55, launches: 35, safety: 45, shards: 60, waits: 25, train_py: 30
}  # fmt: skip

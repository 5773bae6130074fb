"""What tests/performance/gpu.py measures: a function for each part, which yields rows as they are known."""

from tests.performance.gpu_parts.launches import launches
from tests.performance.gpu_parts.memory import memory
from tests.performance.gpu_parts.rows import FAILED, Row
from tests.performance.gpu_parts.safety import safety
from tests.performance.gpu_parts.shards import shards
from tests.performance.gpu_parts.size import REAL, TINY, Size
from tests.performance.gpu_parts.small import small
from tests.performance.gpu_parts.suite import suite
from tests.performance.gpu_parts.waits import waits
from tests.performance.gpu_parts.wave import wave

__all__ = ["FAILED", "PARTS", "REAL", "TINY", "Row", "Size"]

# Seconds of ten minutes that each may take, in the order of their worth. What one leaves goes to those after it.
PARTS = {memory: 190, launches: 40, wave: 55, waits: 25, safety: 55, shards: 60, small: 85, suite: 50}

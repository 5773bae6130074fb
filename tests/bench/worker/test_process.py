import platform
import subprocess
import sys

import pytest

CHILD = """
import ctypes, resource
from bench.worker.process import keep_freed

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: else a fault may bring 2 MB, as the machine is set

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(64 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(), faults())
keep_freed()
print(faults(), faults())
keep_freed()
print(faults(), faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_block_is_used_again_until_what_is_free_is_given_back():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    default, kept, again = ([int(n) for n in line.split()] for line in done.stdout.splitlines())
    assert min(default) > 1000, "each block is new: so this test can see a difference"
    assert kept[0] > 1000 and kept[1] < 100
    assert again[0] > 1000 and again[1] < 100

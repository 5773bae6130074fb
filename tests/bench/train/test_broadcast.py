"""What the first process of a group says reaches the others as JSON or as bytes, and is never unpickled."""

import torch.distributed as dist

from tests.bench.train.processes_together import together

VALUES = [{"a": [1, None, "é"]}, None, "", 0.1]
BYTES = [bytes(range(256)) * 40, None, b""]


def hear(group, folder):
    def refuse(*_, **__):
        raise AssertionError("pickles")

    dist.broadcast_object_list = refuse
    first = group.rank == 0
    values = [group.broadcast(value if first else "other") for value in VALUES]
    return values, [group.broadcast_bytes(data if first else b"other") for data in BYTES]


def test_all_hear_the_first(tmp_path):
    assert together(2, hear, tmp_path) == [(VALUES, BYTES)] * 2

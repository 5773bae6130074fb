"""Processes that train together, forked from this one: as `bench.launch.ranks` starts them, but for any function."""

import os
import pickle
import socket
import sys
import traceback
from pathlib import Path

import torch

from bench.train.group import Group, Meeting


def together(world, work, folder):
    """What `work(group, folder of that process)` returned in each of `world` processes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        meeting = Meeting(*listener.getsockname(), listener.fileno())
        pids = [fork(rank, world, meeting, work, folder) for rank in range(world)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert not any(codes), codes
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(world)]


def fork(rank, world, meeting, work, folder):
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        torch.set_num_threads(1)
        group = Group.join(meeting, rank, world, torch.device("cpu"), beside=world)
        own = Path(folder) / f"rank{rank}"
        own.mkdir(parents=True, exist_ok=True)
        value = work(group, own)
        (folder / f"{rank}.pickle").write_bytes(pickle.dumps(value))
        group.barrier()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)

"""The processes that train one model together, and what they have to agree on."""

from __future__ import annotations

import json
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

TIMEOUT = timedelta(minutes=30)  # of one exchange; a process that dies is noticed at once, by whoever started it


@dataclass(frozen=True)
class Meeting:
    """Where the processes of a group find each other.

    host, port: where the first of them listens; listener: its descriptor, open in that process.
    """

    host: str
    port: int
    listener: int | None = None


class Group:
    """`world` processes, of which this is number `rank`; on its own a group of one, whose methods do nothing.

    Tensors of a GPU travel by NCCL, those of the CPU by gloo; agreements are tensors of the CPU, so that they do not
    wait for the GPU. Every process has to call the same methods in the same order.
    beside: how many of the processes are on this machine.
    """

    def __init__(self, rank: int = 0, world: int = 1, beside: int = 1) -> None:
        self.rank, self.world, self.beside = rank, world, beside

    @classmethod
    def join(cls, meeting: Meeting, rank: int, world: int, device: torch.device, beside: int) -> Group:
        """Meet the others; returns when all are there."""
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface_towards(meeting.host))
        first = {"is_master": True, "master_listen_fd": meeting.listener} if rank == 0 else {"is_master": False}
        store = dist.TCPStore(meeting.host, meeting.port, world, timeout=TIMEOUT, wait_for_workers=False, **first)
        gpu = device.type == "cuda"
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if gpu else "gloo",
            store=store,
            rank=rank,
            world_size=world,
            timeout=TIMEOUT,
            device_id=torch.device("cuda", torch.cuda.current_device()) if gpu else None,
        )
        return cls(rank, world, beside)

    def barrier(self) -> None:
        self.agree(0)

    def agree(self, value: int) -> int:
        """The largest of what the processes say."""
        if self.world == 1:
            return value
        largest = torch.tensor(value)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def broadcast(self, value: Any) -> Any:
        """What the first process says, as JSON says it: nothing that comes from a socket is unpickled."""
        if self.world == 1:
            return value
        return json.loads(self.broadcast_bytes(json.dumps(value).encode()) or b"null")

    def broadcast_bytes(self, data: bytes | None) -> bytes | None:
        """The bytes of the first process, or None where it has none."""
        if self.world == 1:
            return data
        size = torch.tensor(-1 if data is None else len(data))
        dist.broadcast(size, src=0)
        if size < 0:
            return None
        content = torch.empty(int(size), dtype=torch.uint8)
        if self.rank == 0 and data:
            content = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        dist.broadcast(content, src=0)
        return content.numpy().tobytes()

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor, in which the sum over all processes now is."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    @contextmanager
    def first(self) -> Iterator[None]:
        """The first process does something before all others do."""
        if self.rank > 0:
            self.barrier()
        yield
        if self.rank == 0:
            self.barrier()

    def shard(self, batch: Tensor) -> Tensor:
        """This process's part of a batch [B], in order. Raises ValueError where somebody would have none.

        Mixing pairs the image at i with that at B-1-i; both are in one part, at places that mirror each other there
        too. So mixing parts by the same draws is mixing the whole.
        """
        if self.world == 1:
            return batch
        n = len(batch)
        fronts = torch.arange((n + 1) // 2)
        if len(fronts) < self.world:
            raise ValueError(f"a batch of {n} images cannot be shared by {self.world} processes; expected 2 for each")
        mine = fronts.tensor_split(self.world)[self.rank]
        return batch[torch.cat([mine, n - 1 - mine]).unique()]

    def align(self, module: nn.Module) -> None:
        """Give the module of every process the tensors of the first one's."""
        if self.world > 1:
            for tensor in chain(module.parameters(), module.buffers()):
                dist.broadcast(tensor.detach(), src=0)

    def wrap(self, training: nn.Module, *, unused: bool) -> nn.Module:
        """The same module, whose gradients are the mean over the processes after every backward pass.

        unused: whether some parameters may go without a gradient.
        """
        if self.world == 1:
            return training
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the new name of broadcast_buffers, which 2.9 lacks
            return DistributedDataParallel(
                training,
                broadcast_buffers=False,
                init_sync=False,
                find_unused_parameters=unused,
                gradient_as_bucket_view=True,
            )


def interface_towards(host: str) -> str:
    """The network interface by which `host` is reached; gloo would take that of the host's own name."""
    import psutil

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))  # sends nothing
        ip = probe.getsockname()[0]
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == ip for address in addresses):
            return name
    raise OSError(f"no network interface has the address {ip}, from which {host} is reached")

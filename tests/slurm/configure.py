"""The files of a test cluster: munge key, pretended GPUs, slurm.conf and gres.conf."""

from __future__ import annotations

import getpass
import os
import random
import socket
import string
from pathlib import Path
from typing import TYPE_CHECKING

from tests.slurm import accounting

if TYPE_CHECKING:
    from tests.slurm.cluster import Cluster


def write(cluster: Cluster) -> None:
    """Makes the folder with the munge key, the pretended GPUs' files and the configuration, on free ports."""
    cluster.root.mkdir(parents=True, exist_ok=True)
    cluster.root.chmod(0o755)  # munged insists that clients can reach its socket and nobody else can write here
    (cluster.root / "state").mkdir()
    key = cluster.root / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    for index in range(cluster.gpus):
        (cluster.root / f"gpu{index}").symlink_to("/dev/null")  # slurmd wants a device, and mknod would want root
    nodes = f"n[1-{cluster.nodes}]"
    (cluster.root / "gres.conf").write_text(
        f"NodeName={nodes} Name=gpu File={cluster.root}/gpu[0-{cluster.gpus - 1}]\n"
    )
    first = free_ports(2 + cluster.nodes)
    database = first + 1 + cluster.nodes
    template = string.Template(Path(__file__).with_name("slurm.conf.template").read_text())
    text = template.substitute(
        root=cluster.root,
        name=cluster.name,
        host=socket.gethostname().split(".")[0],
        user=getpass.getuser(),
        controller_port=first,
        node_ports=f"[{first + 1}-{first + cluster.nodes}]",
        nodes=nodes,
        cpus=cluster.cpus,
        memory=cluster.memory,
        gpus=cluster.gpus,
        max_array_size=cluster.max_array_size,
        accounting=accounting.lines(cluster, database) if cluster.with_sacct else "",
        extra="\n".join(cluster.extra),
    )
    cluster.conf.write_text(text)
    if cluster.with_sacct:
        accounting.write(cluster, database)


def free_ports(count: int) -> int:
    """The first of `count` TCP ports in a row that nobody listens on, below the range of outgoing connections."""
    while True:
        first = random.randrange(20000, 32000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("", port))
            return first
        except OSError:
            continue

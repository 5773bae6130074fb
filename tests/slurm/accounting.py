"""Accounting for the test cluster: a slurmdbd on a mariadbd of its own, both in the cluster's folder."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.slurm.cluster import Cluster


def lines(cluster: Cluster, port: int) -> str:
    """What slurm.conf says about accounting when slurmdbd listens on this port."""
    return f"""AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
# With munge this is no password but the socket to authenticate by.
AccountingStoragePass={cluster.root}/munge.sock"""


def write(cluster: Cluster, port: int) -> None:
    """Writes slurmdbd.conf, which slurmdbd looks for beside slurm.conf and wants readable by its user only."""
    conf = cluster.root / "slurmdbd.conf"
    conf.touch(mode=0o600)
    conf.write_text(
        f"DbdHost=localhost\nDbdAddr=127.0.0.1\nDbdPort={port}\nSlurmUser={getpass.getuser()}\n"
        f"AuthType=auth/munge\nAuthInfo=socket={cluster.root}/munge.sock\n"
        f"LogFile={cluster.root}/slurmdbd.log\nPidFile={cluster.root}/slurmdbd.pid\n"
        f"StorageType=accounting_storage/mysql\nStorageHost=localhost\nStorageUser={getpass.getuser()}\n"
    )


def start(cluster: Cluster) -> None:
    """Starts the database and slurmdbd, and tells it of the cluster; some ten seconds."""
    data, socket, user = cluster.root / "mysql", cluster.root / "mysql.sock", f"--user={getpass.getuser()}"
    data.mkdir(mode=0o700)
    cluster.call("mariadb-install-db", "--no-defaults", f"--datadir={data}", user, "--skip-test-db")
    cluster.spawn(
        "mariadbd",
        "--no-defaults",
        f"--datadir={data}",
        f"--socket={socket}",
        f"--pid-file={cluster.root}/mariadbd.pid",
        user,
        "--skip-networking",
        "--skip-grant-tables",
        "--innodb-buffer-pool-size=32M",
        "--innodb-flush-log-at-trx-commit=0",
    )
    cluster.wait(socket.exists)
    cluster.call("slurmdbd", MYSQL_UNIX_PORT=str(socket))
    cluster.wait(lambda: cluster.call("sacctmgr", "--immediate", "add", "cluster", cluster.name, check=False))

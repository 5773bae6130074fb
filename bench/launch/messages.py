"""Messages between the processes of a launch: JSON, by the connections of multiprocessing, of which nothing is ever
unpickled."""

import json
from multiprocessing.connection import Connection
from typing import Any


def send(connection: Connection, message: Any) -> bool:
    """Send what JSON can say. Returns whether the other is still there; its end shows where it is listened to."""
    try:
        connection.send_bytes(json.dumps(message).encode())
    except OSError:
        return False
    return True


def receive(connection: Connection) -> Any:
    """Return the next message, waited for. Raises EOFError where the other is gone, also in the middle of one."""
    try:
        return json.loads(connection.recv_bytes())
    except OSError:
        raise EOFError from None

"""Messages between the processes of a launch: JSON, by the connections of multiprocessing, of which nothing is ever
unpickled."""

import json
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from bench.worker.execute import Outcome


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


def outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    return asdict(outcome)


def outcome_from_json(value: dict[str, Any]) -> Outcome:
    damaged = value["damaged"]
    return Outcome(**value | {"damaged": tuple(damaged) if damaged else None})

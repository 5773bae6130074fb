"""`bench check`: whether a method keeps what every method promises, on small models and in the real Lab."""

from bench.commands.check.command import main

__all__ = ["main"]

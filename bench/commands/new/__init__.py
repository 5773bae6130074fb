"""`bench new`: writes a suite for a folder of images, or a method with a suite to try it."""

from bench.commands.new.command import main

__all__ = ["main"]

"""The command itself: one of its two kinds."""

import argparse
from importlib import import_module


def main(options: argparse.Namespace) -> int:
    return import_module(f"bench.commands.new.{options.kind}").main(options)  # one of the two is needed

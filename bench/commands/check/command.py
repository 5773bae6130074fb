"""The command itself: options, then the promises by a stub of the Lab, then in the real one."""

import argparse

import methods
from bench.commands.check.contract import keep_contract
from bench.commands.check.record import PromiseRecord
from bench.commands.methods import class_of
from bench.errors import UsageError
from bench.suite import overrides
from methods.testing import check_options


def main(options: argparse.Namespace) -> int:
    cls = class_of(options.method)
    record = PromiseRecord(cls)
    chosen: dict[str, object] = {}
    overrides.apply(chosen, options.option, "--option")
    print(f"{options.method}, version {cls.version}" + (f", with {', '.join(options.option)}" if chosen else ""))
    if record.line("its options are dataclass fields with defaults", {"": lambda: check_options(cls())}):
        return _end(record)
    try:
        initializer = methods.get(options.method, **chosen)
    except (TypeError, ValueError) as error:
        raise UsageError(f"--option: {error}") from None
    keep_contract(initializer, record)
    from bench.commands.check.lab import in_the_lab  # late: it imports torch

    in_the_lab(initializer, record)
    return _end(record)


def _end(record: PromiseRecord) -> int:
    print(f"{record.kept} promises kept, {record.broken} broken")
    return 1 if record.broken else 0

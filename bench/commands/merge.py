"""`bench merge`: the done jobs of other results folders, copied into one."""

import argparse
from functools import partial

from bench.errors import UsageError, printable
from bench.output import at_intervals
from bench.results.merge import merge
from bench.store import Store

MOST = 20  # jobs that are named


def main(options: argparse.Namespace) -> int:
    target = Store(options.results)
    sources = [Store(path) for path in options.source]
    for source in sources:
        if not (source.root / "jobs").is_dir():
            raise UsageError(f"{source.root}: expected a results folder, found no folder jobs/ in it")
        if source.root.resolve() == target.root.resolve():
            raise UsageError(f"{source.root}: expected another folder than --results")
    target.require_writable()
    broken = False
    for source in sources:
        progress = at_intervals(partial("{}: {} jobs looked at".format, source.root))
        merged = merge(source, target, progress)
        print(f"{source.root}: {merged.taken} jobs taken, {merged.there} were there")
        _name(merged.other, "there with other numbers, which stay")
        _name(merged.busy, "not taken, another process is at it")
        _name(merged.broken, "not taken, damaged")
        broken |= bool(merged.broken)
    print(f"bench run SUITE --results {target.root} does what is left; its report has all")
    return 1 if broken else 0


def _name(jobs: list[str], what: str) -> None:
    for job in jobs[:MOST]:
        print(printable(f"  {what}: {job}"))
    if len(jobs) > MOST:
        print(f"  {what}: {len(jobs) - MOST} more")

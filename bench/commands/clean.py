"""`bench clean`: what of a results folder can go, and with `--yes` that it goes; unasked, what costs no training."""

import argparse
from collections import Counter

from bench.commands.plan import duration
from bench.errors import UsageError, printable
from bench.room.leftovers import DEAR, WHAT, Leftover, artifacts, leftovers, remove
from bench.store import Store

MANY = 3  # reasons to stay that are listed of each kind


def main(options: argparse.Namespace) -> int:
    store = Store(options.results)
    if not (store.root / "jobs").is_dir():
        raise UsageError(f"--results {store.root}: there are no jobs; expected a results folder")
    chosen = options.what or list(WHAT)
    dear = [kind for kind in chosen if kind in DEAR]
    candidates = list(artifacts(store, dear))
    if len(dear) < len(chosen):
        candidates += [leftover for leftover in leftovers(store) if leftover.kind in chosen]
    for kind in chosen:
        going = [leftover for leftover in candidates if leftover.kind == kind and not leftover.why_kept]
        staying = Counter(leftover.why_kept for leftover in candidates if leftover.kind == kind and leftover.why_kept)
        what, cost = WHAT[kind] if kind in WHAT else (DEAR[kind], cost_of(going))
        print(f"{kind:<12}{len(going):>7}  {amount(sum(g.bytes for g in going)):>9}  {what}; to have it again: {cost}")
        for reason, n in staying.most_common(MANY):
            print(printable(f"{'':<12}{n:>7}  {'':>9}  stay: {reason}"))
    going = [leftover for leftover in candidates if not leftover.why_kept]
    if not going:
        print("nothing to remove")
        return 0
    if not options.yes:
        print(f"{amount(sum(leftover.bytes for leftover in going))} in all; --yes removes them")
        return 0
    gone = [leftover for leftover in going if remove(leftover)]
    print(f"removed {len(gone)}, {amount(sum(leftover.bytes for leftover in gone))}")
    if len(gone) < len(going):
        print(f"{len(going) - len(gone)} stay: somebody does their jobs now")
    return 0


def cost_of(going: list[Leftover]) -> str:
    """What making them again would take: a job that has several files is made once."""
    jobs = {leftover.path.parent: leftover for leftover in going}.values()
    if not jobs:
        return "-"
    seconds, flops = sum(job.seconds for job in jobs), sum(job.flops for job in jobs)
    return f"{flops:.1e} FLOPs, {duration(seconds)} where they were made"


def amount(size: int) -> str:
    """`1.2 GB`."""
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB" if size >= 1e6 else f"{size / 1e3:.3g} kB"

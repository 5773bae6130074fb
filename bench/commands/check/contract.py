"""What every method promises, tried on small models with a stub of the Lab."""

from functools import partial

from bench.commands.check.record import PromiseRecord
from bench.errors import printable
from methods import Initializer
from methods.testing import PROMISES, SPEC, check_documented, check_refusal, resolved, sizes_around
from methods.testing.trial import Trial

ANCESTOR = SPEC.replace(depth=6)


def keep_contract(initializer: Initializer, record: PromiseRecord) -> None:
    """Every promise, on sizes around a small ancestor's, with a stub of the Lab."""
    ancestor = ANCESTOR if initializer.ancestors else None
    sizes, reasons = sizes_around(ANCESTOR), dict[str, str | None]()

    def ask() -> None:
        for name, size in sizes.items():
            reasons[name] = initializer.supports(ancestor, size)

    if record.line("supports says which sizes it serves", {"": ask}):
        return
    print(f"        serves: {', '.join(name for name, reason in reasons.items() if reason is None) or 'no size'}")
    for name, reason in reasons.items():
        if reason is not None:
            print(printable(f"        not {name}: {reason}"))
    served = {name: size for name, size in sizes.items() if reasons[name] is None}
    if len(served) < len(sizes):
        refused = {
            name: partial(check_refusal, initializer, ANCESTOR, size)
            for name, size in sizes.items()
            if name not in served
        }
        record.line("a size that it does not serve has a reason, and initialize raises it", refused)
    trials: dict[str, Trial] = {}

    def resolve(name: str) -> None:
        trials[name] = resolved(initializer, ANCESTOR, served[name])

    if record.line(
        "its options fit, and resolve says the same twice", {name: partial(resolve, name) for name in served}
    ):
        size = f"{ANCESTOR.depth} blocks of width {ANCESTOR.embed_dim}"
        record.advise(f"the ancestor here is {size}; options for larger ones are given as --option NAME=VALUE")
    for promise, keep in PROMISES.items():
        record.line(promise, {name: partial(keep, trial) for name, trial in trials.items()})
    record.advise(record.trouble(lambda: check_documented(type(initializer))))

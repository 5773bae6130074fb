"""The stub of the harness as tests of methods use it."""

from methods.testing.stub import SPEC, StubLab


class TinyLab(StubLab):
    """The stub with a class list of its own."""

    def __init__(self, *arguments, classes="tiny", **options):
        super().__init__(*arguments, classes=classes, **options)


__all__ = ["SPEC", "TinyLab"]

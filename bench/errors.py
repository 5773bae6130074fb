"""Errors that a user can mend: shown as plain messages, without a traceback."""

import re

COLOURS = re.compile(r"(\x1b\[[0-9;]*m)")


def printable(text: object, *, colours: bool = False) -> str:
    """A text whose control characters are shown (`\\x1b`) and not sent to the terminal, but for new lines and tabs, and
    for those that only set colours where `colours`."""
    parts = COLOURS.split(str(text)) if colours else [str(text)]  # at odd places what set colours
    shown = ("".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in part) for part in parts[::2])
    return "".join(part for pair in zip(shown, [*parts[1::2], ""], strict=True) for part in pair)


def extra(name: str) -> str:
    """The command that installs an extra of this package (see pyproject.toml)."""
    return f"pip install 'learngene-bench[{name}]'"


class BenchError(Exception):
    """Ends the command with its message and exit code."""

    exit_code = 1


class UsageError(BenchError):
    """The suite or the command line is wrong; nothing was started."""

    exit_code = 2


class SuiteError(UsageError):
    """Problems in a suite, each as `file:line: key: message`."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))

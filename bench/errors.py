"""Errors that a user can mend: shown as plain messages, without a traceback."""


def printable(text: object) -> str:
    """A text whose control characters are shown (`\\x1b`) and not sent to the terminal, but for new lines and tabs."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in str(text))


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

"""Errors that a user can mend: shown as plain messages, without a traceback."""


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

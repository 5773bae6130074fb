"""The command line: `python -m bench COMMAND`. Each command's module is imported only when it is called."""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

from bench import __version__
from bench.errors import BenchError, printable
from bench.output import show_everything

DESCRIPTION = "Compare initializers for Vision Transformers of variable depth and width."
EPILOG = "exit codes: 0 all done or skipped; 1 a job failed; 2 the suite or command line is wrong; 130 interrupted"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m bench", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"learngene-bench {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, help: str, *, suites: str | None = "one", several_results: bool = False
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help, epilog=EPILOG, allow_abbrev=False)
        if suites == "one":
            sub.add_argument("suite", type=Path, metavar="SUITE", help="suite file (YAML)")
        elif suites == "maybe":
            sub.add_argument("suite", type=Path, metavar="SUITE", nargs="?", help="suite file (YAML)")
        elif suites == "many":
            sub.add_argument("suite", type=Path, metavar="SUITE", nargs="*", help="suite files (YAML)")
        if suites:
            sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
                             help="change a setting, such as train.epochs=1 or targets.0.depth=[2,4]")  # fmt: skip
            sub.add_argument("--only", action="append", default=[], metavar="PATTERN",
                             help="only runs whose readable id matches this shell pattern")  # fmt: skip
            if several_results:
                sub.add_argument("--results", type=Path, action="append", metavar="DIR",
                                 help="default: results; several are joined")  # fmt: skip
            else:
                sub.add_argument(
                    "--results", type=Path, default=Path("results"), metavar="DIR", help="default: results"
                )
        return sub

    def launcher(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--launcher", choices=("local", "inline", "slurm"), help="default: the suite's, else local")

    run = command("run", "run what is not done yet, and report")
    launcher(run)
    run.add_argument("--jobs", type=_positive, metavar="N", help="workers (default: all cores, or GPUs)")
    run.add_argument("--fail-fast", action="store_true", help="start nothing more after the first failure")
    run.add_argument("--detach", action="store_true", help="slurm: submit and leave")

    run.add_argument("--vouch-for-data", action="append", default=[], metavar="NAME", dest="vouched",
                     help="results of earlier versions, which saw no image, are of these images")  # fmt: skip

    plan = command("plan", "what would run, what is done, what it will cost; starts nothing")
    launcher(plan)
    plan.add_argument("--all", action="store_true", help="list every job")
    plan.add_argument("--probe", action="store_true", help="time a few steps of each training on this machine")

    prepare = command("prepare", "write the data sets of a suite once, small and in few files, for all runs to share")
    prepare.add_argument("--out", type=Path, metavar="DIR", help="where to; default: the suite's `prepared`")
    prepare.add_argument("--short-side", type=_positive, metavar="N",
                         help="scale larger images to it (default: what evaluation scales to)")  # fmt: skip
    prepare.add_argument("--quality", type=int, choices=range(50, 101), default=95, metavar="Q",
                         help="of the JPEG files of scaled images, 50 to 100 (default: 95)")  # fmt: skip
    prepare.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be decoded")
    prepare.add_argument("--jobs", type=_positive, metavar="N", help="processes (default: all cores)")
    prepare.add_argument("--check", action="store_true", help="hold what is prepared against its checksums")

    doctor = command("doctor", "what this machine can do; with SUITE what it would need", suites="maybe")
    launcher(doctor)

    new = command("new", "write a suite for a folder of images", suites=None)
    kinds = new.add_subparsers(dest="kind", required=True, metavar="KIND")
    made = kinds.add_parser("suite", help="look at a folder of images and write a suite that runs on it",
                            epilog=EPILOG, allow_abbrev=False)  # fmt: skip
    made.add_argument("folder", type=Path, metavar="FOLDER", help="class/image or part/class/image")
    made.add_argument("--out", type=Path, metavar="FILE", help="default: NAME.yaml, after the folder")

    command("status", "the state of every job")
    command("cancel", "slurm: stop what is queued and running; bench run goes on from there")

    logs = command("logs", "what a job wrote: its events, output and failure", suites=None)
    logs.add_argument("run", metavar="RUN", help="readable id or identity of a job, or a pattern")
    logs.add_argument("--follow", action="store_true", help="go on until the job is over")
    logs.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")

    report = command("report", "tables and plots, from what is there", suites="many", several_results=True)
    report.add_argument("--out", type=Path, metavar="DIR", help="default: the suite's folder in the results")
    report.add_argument(
        "--from",
        type=Path,
        action="append",
        metavar="RUNS.csv",
        dest="source",
        help="make it again from this file alone; of several, or beside SUITE: join their rows",
    )

    across = "join results of another engine, data set or recipe, too; nothing is compared between them"
    report.add_argument("--across", action="store_true", help=across)
    report.add_argument("--force", action="store_true", help="replace files in --out that no report wrote")

    compare = command("compare", "what changed between two tables of results, label by label", suites=None)
    for name, help in (("old", "runs.csv, or a folder that has it"), ("new", "the same of what is compared with it")):
        compare.add_argument(name, type=Path, metavar=name.upper(), help=help)

    merge = command("merge", "copy whole, checksummed jobs of other results folders into one", suites=None)
    merge.add_argument("source", type=Path, nargs="+", metavar="SRC", help="results folders; they are only read")
    merge.add_argument("--results", type=Path, required=True, metavar="DEST", help="the folder that they are copied to")

    verify = command("verify", "check every checksum, identity and column of results", suites=None)
    verify.add_argument(
        "folder", type=Path, metavar="RESULTS", help="a results folder, a report's folder, or a runs.csv"
    )

    methods = command("methods", "the methods; with NAME its options and sources", suites=None)
    methods.add_argument("name", nargs="?", metavar="NAME")
    methods.add_argument("--markdown", action="store_true", help="the table of docs/methods.md")

    command("schema", "print the JSON schema of suite files, for editors", suites=None)
    return top


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    show_everything()
    options = parser().parse_args(arguments)
    try:
        return import_module(f"bench.commands.{options.command}").main(options)
    except BenchError as error:
        print(printable(f"errors:\n{error}" if "\n" in str(error) else f"error: {error}"), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # `| head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return 1
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error
        print(printable(f"error: {what}"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130

"""The command line: `python -m bench COMMAND`. Each command's module is imported only when it is called."""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

from bench import __version__
from bench.collector import collector_at_rest
from bench.errors import BenchError, printable
from bench.output import show_everything

DESCRIPTION = "Compare initializers for Vision Transformers of variable depth and width."
GROUPS = {  # what --help shows, in this order; a command that is in none comes last
    "run": ("plan", "run", "cancel", "prepare"),
    "look": ("status", "logs", "report", "compare", "track", "methods"),
    "bring in": ("new", "check", "merge"),
    "take out": ("export", "init"),
    "keep house": ("doctor", "verify", "clean", "schema"),
}
EPILOG = "exit codes: 0 all done or skipped; 1 a job failed; 2 the suite or command line is wrong; 130 interrupted"


def parser() -> argparse.ArgumentParser:
    script = Path(sys.argv[0]).stem == "learngene-bench"
    top = argparse.ArgumentParser(
        prog="learngene-bench" if script else "python -m bench",
        usage="%(prog)s [-h] [--version] COMMAND ...",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,  # of the list of commands in the epilog
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"learngene-bench {__version__}")
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", prog=top.prog, help=argparse.SUPPRESS
    )
    summaries: dict[str, str] = {}

    def command(
        name: str, help: str, *, suites: str | None = "one", several_results: bool = False
    ) -> argparse.ArgumentParser:
        summaries[name] = help
        sub = commands.add_parser(name, description=help, epilog=EPILOG, allow_abbrev=False)
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

    new = command("new", "write a suite for a folder of images, or a method to begin with", suites=None)
    kinds = new.add_subparsers(dest="kind", required=True, metavar="KIND")
    of_suite = kinds.add_parser("suite", help="look at a folder of images and write a suite that runs on it",
                            epilog=EPILOG, allow_abbrev=False)  # fmt: skip
    of_suite.add_argument("folder", type=Path, metavar="FOLDER", help="class/image or part/class/image")
    of_suite.add_argument("--out", type=Path, metavar="FILE", help="default: NAME.yaml, after the folder")

    of_method = kinds.add_parser("method", help="write a method to begin with, and a suite to try it in",
                             epilog=EPILOG, allow_abbrev=False)  # fmt: skip
    of_method.add_argument("name", metavar="NAME", help="of the module and of its label, such as my_method")
    of_method.add_argument("--out", type=Path, metavar="DIR", help="default: the working directory")

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

    check = command("check", "whether a method keeps what all methods promise, on small models", suites=None)
    check.add_argument("method", metavar="METHOD", help="MODULE:CLASS, or the name of a method")
    check.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="of the method")

    _export(command("export", "a model or learngene of a job, as a folder that timm loads", suites=None))
    _init(command("init", "the starting weights of a target, by a method, without a suite", suites=None))
    _track(command("track", "show logs and results in TensorBoard, Weights & Biases or MLflow"))
    _clean(command("clean", "what of the results can go, and its price; --yes removes it", suites=None))

    command("schema", "print the JSON schema of suite files, for editors", suites=None)
    top.epilog = f"{_grouped(summaries)}\n{EPILOG}"
    return top


def _grouped(summaries: dict[str, str]) -> str:
    """The commands with what each is for, by what one wants."""
    listed = {name for names in GROUPS.values() for name in names}
    groups = GROUPS | {"more": tuple(name for name in summaries if name not in listed)}
    lines = []
    for group, names in groups.items():
        there = [name for name in names if name in summaries]
        lines += [f"{group}:", *(f"  {name:<10}{summaries[name]}" for name in there), ""] if there else []
    return "\n".join(lines)


def _export(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("run", metavar="RUN", nargs="?", help="identity or readable id of a job, or what one begins with")
    for column in ("suite", "method", "target", "dataset", "seed"):
        sub.add_argument(f"--{column}", metavar=column.upper(), help=f"a run of this {column}, as the tables say it")
    sub.add_argument("--what", choices=("end", "start", "ancestor", "learngene"),
                     help="default: the end of a run; of a start, learngene or ancestor itself")  # fmt: skip
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder that is made")
    sub.add_argument("--force", action="store_true", help="replace an earlier export")
    sub.add_argument("--use", metavar="MODULE:CLASS", help="the method from outside whose code may be run for a start")
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")


def _init(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("out", type=Path, metavar="OUT", nargs="?", help="the folder that is made")
    sub.add_argument("--method", required=True, metavar="NAME", help="a method, or MODULE:CLASS")
    sub.add_argument("--from", dest="source", action="append", default=[], metavar="SOURCE",
                     help="the ancestor: timm:NAME, a file of weights, or a folder of bench export")  # fmt: skip
    sub.add_argument("--heads", type=_positive, metavar="N", help="of the ancestor in a file, which does not say it")
    sub.add_argument("--to", metavar="KEY=VALUE,...",
                     help="its size, such as depth=6,embed_dim=192,num_heads=3; default: the ancestor's")  # fmt: skip
    sub.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the method")
    sub.add_argument("--learngene", metavar="FILE|ID", help="a learngene that is there, in place of condensing one")
    sub.add_argument("--classes", metavar="N", help="of a fresh head; default: the ancestor's, or the data set's")
    sub.add_argument("--img-size", type=_positive, metavar="N", help="pixels; default: the ancestor's")
    sub.add_argument("--dataset", metavar="DATA", help="for methods that train or read images: as a suite says it")
    sub.add_argument("--seed", type=_seed, default=0, metavar="N", help="default: 0")
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
                     help="change a setting of the suite that this is, see --print-suite")  # fmt: skip
    sub.add_argument("--print-suite", action="store_true", help="print that suite, and make nothing")
    sub.add_argument("--force", action="store_true", help="replace an earlier export")
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR",
                     help="where what is trained is kept; default: results")  # fmt: skip


def _track(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--to", required=True, metavar="TRACKER", help="tensorboard, wandb or mlflow")
    sub.add_argument("--out", type=Path, metavar="DIR", help="default: track/TRACKER in the suite's folder")
    sub.add_argument("--follow", action="store_true", help="go on until no job is left to do")
    sub.add_argument("--force", action="store_true", help="write into a folder that has other files, which stay")


def _clean(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--what", action="append", help="only this, also several times; default: all but the last two",
                     choices=("checkpoints", "damaged", "code", "cache", "weights", "learngenes"))  # fmt: skip
    sub.add_argument("--yes", action="store_true", help="remove it; without, it is only listed")
    sub.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")


def _seed(text: str) -> int:
    return 0 if text == "0" else _positive(text)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    show_everything()
    options = parser().parse_args(arguments)
    try:
        with collector_at_rest():
            command = import_module(f"bench.commands.{options.command}")
        return command.main(options)
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

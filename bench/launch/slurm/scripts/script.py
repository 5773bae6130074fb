"""The sbatch script of an array, by submitit."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.launch.slurm.squeue import job_name
from bench.launch.slurm.submission.groups import Array
from bench.launch.slurm.submission.record import Submission
from bench.suite.slurm import extras, megabytes

if TYPE_CHECKING:
    from submitit import SlurmExecutor

# Slurm's warning would end a Python that has no handler yet, for good: without its handler it is ignored.
UNWARNED = """sh -c 'trap "" USR2; exec "$0" "$@"' """
BESIDE = "BENCH_IMPORTS_LAST"  # folders of methods from outside: on PYTHONPATH their files would hide libraries


def warning(minutes: int) -> int:
    """Seconds before the time limit at which Slurm warns (it may do so up to a minute earlier)."""
    return min(120, minutes * 15)


def executor(submission: Submission, number: int, array: Array, slurm_ids: list[str | None]) -> "SlurmExecutor":
    """What submits an array. slurm_ids: of the arrays before it."""
    from submitit import SlurmExecutor

    class Executor(SlurmExecutor):  # scripts can be shown where there is no Slurm
        @classmethod
        def affinity(cls) -> int:
            return 2

    python = shlex.quote(sys.executable)
    submitter = Executor(submission.folder / "logs", max_num_timeout=10**6, python=UNWARNED + python)
    wishes, code = array.wishes, submission.data["code"]
    cpus = wishes.cpus if array.share == 1 else max(wishes.cpus, array.share)
    together = ["--kill-on-bad-exit=1"] if wishes.nodes > 1 else []  # the nodes have only one another
    settings: dict[str, Any] = {
        "job_name": job_name(submission.data["suite"]),
        "comment": submission.data["token"],
        "partition": wishes.partition,
        "account": wishes.account,
        "qos": wishes.qos,
        "constraint": wishes.constraint,
        "time": wishes.time,
        "nodes": wishes.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": cpus,
        "gpus_per_node": wishes.gpus or None,
        "mem": f"{megabytes(wishes.memory)}M",
        "signal_delay_s": warning(wishes.time),
        "array_parallelism": array.parallelism,
        "dependency": dependency(array, slurm_ids, submission) or None,
        "stderr_to_stdout": True,
        "wckey": None,
        "setup": [*wishes.setup, *_setup(submission)],
        "teardown": _teardown(python, submission.folder, number),
        "srun_args": [f"--cpus-per-task={cpus}", *together],  # the first is not taken from sbatch since Slurm 22.05
        "additional_parameters": {"requeue": True, "kill-on-invalid-dep": "yes", "chdir": code, **extras(wishes)},
    }
    submitter.update_parameters(**settings)
    return submitter


def _setup(submission: Submission) -> list[str]:
    """Before anything of the results directory is run: the code is what was submitted, and what submitit unpickles is
    in a folder of this user's that nobody else can write into. Slurm keeps the script where nobody can change it."""
    code, logs = shlex.quote(submission.data["code"]), shlex.quote(str(submission.folder / "logs"))
    listed = "find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1"
    whole = f'[ "$(cd {code} && ! find . -type l | grep -q . && {listed})" = {submission.data["code_digest"]} ]'
    private = f'[ -n "$(find {logs} -maxdepth 0 -type d -user $(id -u) ! -perm /022)" ]'
    beside = os.pathsep.join(submission.data["beside"])
    return [
        f"{whole} || {{ echo {code} is not the code that was submitted; exit 1; }}",
        f"{private} || {{ echo {logs} can be written by others; exit 1; }}",
        "export PYTHONDONTWRITEBYTECODE=1",
        f"export PYTHONPATH={code}",
        *([f"export {BESIDE}={shlex.quote(beside)}"] if beside else []),
    ]


def _teardown(python: str, folder: Path, number: int) -> list[str]:
    """After an allocation whose worker did not end by itself: what becomes of its jobs is written down."""
    aftermath = f"{python} -m bench.launch.slurm.aftermath {shlex.quote(str(folder))} {number} $code"
    return ["code=$?", f"[ $code = 0 ] || {aftermath}", "exit $code"]


def dependency(array: Array, slurm_ids: list[str | None], submission: Submission) -> str:
    """What an array waits for: the end of other elements, good or bad; what became of them the files tell."""
    wanted = set(array.queued)
    for other in {a for a, _ in array.after}:
        elements = sorted(element for a, element in array.after if a == other)
        size, id = len(submission.data["arrays"][other]["groups"]), slurm_ids[other]
        wanted |= {str(id)} if len(elements) == size else {f"{id}_{element}" for element in elements}
    return ":".join(["afterany", *sorted(wanted, key=_natural)]) if wanted else ""


def _natural(id: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in id.split("_")]


def text(submission: Submission, number: int, array: Array, slurm_ids: list[str | None]) -> str:
    """The script as sbatch would get it."""
    submitter = executor(submission, number, array, slurm_ids)
    if len(array.groups) > 1:
        submitter.parameters["map_count"] = len(array.groups)
    return submitter._make_submission_file_text(submitter._submitit_command_str, "0")

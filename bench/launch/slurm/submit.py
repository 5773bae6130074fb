"""Arrays to sbatch, by submitit."""

import contextlib

from bench.errors import BenchError
from bench.files import make_private
from bench.launch.slurm.payload import ElementWork
from bench.launch.slurm.scripts.script import executor
from bench.launch.slurm.submission.groups import Array
from bench.launch.slurm.submission.record import Submission


def submit(arrays: list[Array], submission: Submission) -> int:
    """Submit all arrays; returns the number of elements.

    Raises BenchError where sbatch refuses one. What was submitted before stays queued, and is not submitted again.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

    make_private(submission.folder / "logs")  # the scripts look for that: submitit's pickles are in it
    ids: list[str | None] = []
    count = 0
    for number, array in enumerate(arrays):
        submitter = executor(submission, number, array, ids)
        groups = [ElementWork(str(submission.folder), number, index) for index in range(len(array.groups))]
        try:
            jobs = submitter.submit_array(groups)
        except (FailedJobError, FailedSubmissionError, UncompletedJobError, OSError) as error:
            raise BenchError(_refused(error, count)) from None
        id = jobs[0].job_id.partition("_")[0]
        ids.append(id)
        submission.submitted(number, id)
        count += len(groups)
        for stale in (submission.folder / "logs").glob("*_submission.sh"):
            if stale.is_symlink():  # one script per array is enough
                with contextlib.suppress(OSError):
                    stale.unlink()
    return count


def _refused(error: Exception, count: int) -> str:
    lines = [line for line in str(error).splitlines() if "sbatch" in line] or str(error).splitlines()[:1]
    queued = f"; {count} allocations are queued already, see bench status" if count else "; nothing was submitted"
    return f"Slurm refused: {lines[0] if lines else type(error).__name__}{queued}"

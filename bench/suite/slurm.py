"""The `slurm:` section of a suite: what an allocation asks for, for all jobs and per kind. Checked without a Slurm."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from bench.store.result_shapes import KINDS

# Further options of sbatch that a suite may set, by their long names.
_OPTIONS = """
acctg-freq batch bb bbf begin cluster-constraint clusters container contiguous core-spec cores-per-socket cpu-freq
cpus-per-gpu deadline delay-boot distribution exclude exclusive export export-file extra extra-node-info get-user-env
gid gpu-bind gpu-freq gpus-per-node gpus-per-socket gpus-per-task gres gres-flags hint hold licenses mail-type mail-user
mcs-label mem-bind mem-per-cpu mem-per-gpu mincpus network nice nodefile nodelist oom-kill-step overcommit oversubscribe
power prefer priority profile propagate reboot reservation resv-ports segment sockets-per-node spread-job stepmgr
switches thread-spec threads-per-core time-min tmp tres-bind tres-per-task uid use-min-nodes wait-all-nodes wckey x11
"""
OPTIONS = tuple(_OPTIONS.split())
# Those that bench sets itself, and what says it here.
_OWN = """
array chdir comment dependency error input job-name kill-on-invalid-dep no-requeue open-mode output parsable quiet
requeue signal test-only verbose wait wrap
"""
OWN = dict.fromkeys(_OWN.split(), "it is set by bench")
OWN |= dict.fromkeys(("ntasks", "ntasks-per-node"), "an allocation is one task on one node, or on each of its 'nodes'")
OWN |= {"cpus-per-task": "say 'cpus'", "mem": "say 'memory'", "timeout-min": "say 'time'"}


def _lines(value: Any) -> Any:
    return value.splitlines() if isinstance(value, str) else value


class Retries(BaseModel):
    """How often a job is tried again by itself. What Slurm takes away (preemption, a node that fails) always is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    died: Annotated[int, Field(ge=0, description="its process was killed or crashed")] = 1
    memory: Annotated[int, Field(ge=0, description="out of memory")] = 0
    error: Annotated[int, Field(ge=0, description="an exception")] = 0


class _Wishes(BaseModel):
    """What an allocation asks for. Defaults: 1 CPU, 2 GB, an hour, no GPU, the cluster's default partition."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus: Annotated[int, Field(ge=0)] = 0
    cpus: Annotated[int, Field(ge=1)] = 1
    nodes: Annotated[int, Field(ge=1, description="that one job computes on together; the rest is for each node")] = 1
    memory: Annotated[str, Field(pattern=r"^[1-9][0-9]*(K|M|G|T)B?$", description="such as 500MB or 16GB")] = "2GB"
    time: Annotated[int, Field(ge=1, description="minutes, of the whole allocation")] = 60
    array_parallelism: Annotated[int, Field(ge=1, description="allocations of a kind at once")] = 256
    setup: Annotated[list[str], BeforeValidator(_lines), Field(description="shell lines before the work")] = []
    runs_per_job: Annotated[int, Field(ge=1, description="jobs that share an allocation")] = 1
    workers: Annotated[int, Field(ge=1)] | None = Field(None, description="jobs at once in it; default: gpus, or cpus")
    retries: Retries = Field(default_factory=Retries)
    max_timeouts: Annotated[int, Field(ge=1, description="time-outs in a row without a checkpoint")] = 3

    @model_validator(mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """Sbatch's spelling `mail-type` is as good as `mail_type`; what bench sets itself is refused."""
        if not isinstance(value, dict):
            return value
        for name in value:
            if str(name).replace("_", "-") in OWN:
                raise ValueError(f"{name!r} cannot be set: {OWN[str(name).replace('_', '-')]}")
        return {k.replace("-", "_") if isinstance(k, str) else k: v for k, v in value.items()}


_extra: dict[str, Any] = {name.replace("-", "_"): (str | int | float | bool | None, None) for name in OPTIONS}
Wishes: Any = create_model("Wishes", __base__=_Wishes, __doc__=_Wishes.__doc__, **_extra)
_of_kinds: dict[str, Any] = dict.fromkeys(KINDS, (Wishes | None, None))
_Section: Any = create_model("_Section", __base__=Wishes, **_of_kinds)


class Slurm(_Section):
    """The section: wishes for all kinds of jobs, and others per kind."""

    def of(self, kind: str) -> Any:
        """The Wishes of a kind of jobs. `runs_per_job` of all is for runs and their starts, for others only if said."""
        shared = {name: getattr(self, name) for name in self.model_fields_set if name not in KINDS}
        if kind not in ("start", "run"):
            shared.pop("runs_per_job", None)
        wishes = getattr(self, kind)
        return Wishes(**shared | ({name: getattr(wishes, name) for name in wishes.model_fields_set} if wishes else {}))

    def contradiction(self, each: int) -> str | None:
        """Why jobs of `each` devices (`gpus_per_run`) cannot be what this asks for, if they cannot."""
        for kind in KINDS:
            wishes = self.of(kind)
            share, rest = divmod(each, wishes.nodes)
            if rest or not share:
                return f"{wishes.nodes} nodes cannot share the work of gpus_per_run: {each} equally"
            if wishes.nodes > 1 and (wishes.workers or 1) > 1:
                return f"workers: {wishes.workers} cannot be: a job that is on several nodes has them to itself"
            if wishes.nodes > 1 and wishes.gpus not in (0, share):
                whole = wishes.nodes * wishes.gpus
                return f"{wishes.nodes} nodes with gpus: {wishes.gpus} are {whole} GPUs; expected gpus_per_run: {whole}"
            if each > 1 and 0 < wishes.gpus < share * (wishes.workers or 1):
                what = f"gpus_per_run: {each} and workers: {wishes.workers or 1}"
                return f"{what} take gpus: {share * (wishes.workers or 1)}, found {wishes.gpus}"
        return None


def extras(wishes: Any) -> dict[str, Any]:
    """The further options of sbatch that were asked for, by their long names."""
    values = {name: getattr(wishes, name.replace("-", "_")) for name in OPTIONS}
    return {name: value for name, value in values.items() if value is not None and value is not False}


def megabytes(memory: str) -> int:
    """`2GB` as sbatch counts: binary."""
    number, unit = re.fullmatch(r"(\d+)([KMGT])B?", memory).groups()  # type: ignore[union-attr]
    return int(int(number) * {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}[unit])

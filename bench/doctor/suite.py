"""What a suite would need: its data, its ancestors' weights, disk, packages, devices."""

import argparse
import shutil
from collections.abc import Iterator
from importlib.util import find_spec

import psutil

from bench import models
from bench.data import DataMissing, DataSettings, Description, describe
from bench.data.description import describe_survey
from bench.data.known import DEFAULTS, SIZES, TORCH_SETS
from bench.data.survey import Survey
from bench.doctor.finding import Finding
from bench.doctor.images import one_of_each_class
from bench.doctor.machine import has_compiler
from bench.doctor.scheduler import partitions
from bench.doctor.weights import weights
from bench.errors import extra
from bench.launch.devices import gpus
from bench.plan import Plan, make_plan
from bench.processes import cores
from bench.store import Store
from bench.suite import load
from bench.suite.slurm import KINDS, Slurm

BYTES = 4  # of a weight
COPIES = 4  # of the weights in a checkpoint: themselves, two moments of the optimiser, an average


class DataSets:
    """Describes the data sets of a suite; of one that is not there it says what one would be like."""

    def __init__(self, prepared: str | None) -> None:
        self.prepared = prepared
        self.findings: list[Finding] = []

    def __call__(self, settings: DataSettings) -> Description:
        used = settings
        try:
            if self.prepared and settings.stored_as_files:
                used = settings.prepared_in(self.prepared)
            data = describe(used)
        except DataMissing as error:
            self.findings.append(Finding("data", str(error), "missing"))
            return supposed(settings)
        counts = ", ".join(f"{n:,} {part}" for part, n in data.counts.items())
        form = ", prepared" if used.is_prepared else ""
        seen = f", fingerprint: {data.fingerprint['content']['form']}" if "content" in data.fingerprint else ""
        what = f"{settings.name}: {counts} images of {data.num_classes} classes{form}{seen}"
        decoded = settings.stored_as_files and not settings.in_memory and not used.is_prepared
        how = "decoded from the originals by every run; bench prepare makes that cheaper" if decoded else ""
        self.findings.append(Finding("data", what, "ok", how))
        self.findings += incomplete(settings, data)
        if settings.stored_as_files:
            self.findings += one_of_each_class(used)
        return data


def incomplete(settings: DataSettings, description: Description) -> Iterator[Finding]:
    """A well-known set that has other numbers of images than it should: unpacked in part, or twice."""
    if settings.known in SIZES and settings.num_classes == DEFAULTS[settings.known]["num_classes"]:
        here = description.counts["train"] + description.counts["val"], description.counts["test"]
        for part, have, want in zip(("train", "test"), here, SIZES[settings.known], strict=True):
            if have != want:
                what = f"{settings.name}: {have:,} images in {part}, known are {want:,}"
                yield Finding("data", what, "note", "it may have been unpacked in part")


def supposed(settings: DataSettings) -> Description:
    """A data set of the expected number of classes, for planning what comes after it."""
    n = settings.num_classes or 10
    if settings.source == "torch":
        n = len(TORCH_SETS[settings.known].train)
    n = len(settings.classes) if settings.classes else n
    nothing_chosen = {"classes": None, "per_class": None, "val_images": None, "rest": "drop", "num_classes": n}
    numbers = {"train": [50] * n, "test": [50] * n}
    survey = Survey([f"{settings.name}/{i}" for i in range(n)], dict.fromkeys(numbers, 50 * n), numbers)
    return describe_survey(settings.model_copy(update=nothing_chosen), survey)


def suite(options: argparse.Namespace, prepared: str | None) -> Iterator[Finding]:
    """Raises SuiteError for what is wrong with the suite itself."""
    looked = DataSets(prepared)
    plan = make_plan(load(options.suite, [*options.settings, "prepared=null"], look_at=looked), options.only)
    store = Store(options.results)
    done = sum(store.job(job).damage() is None and store.job(job).result() is not None for job in plan.jobs.values())
    yield Finding("jobs", f"{len(plan.cells)} runs, {len(plan.jobs)} jobs, of which {done} are done")
    yield from looked.findings
    yield from (Finding("suite", warning, "note") for warning in plan.warnings)
    yield from packages(plan)
    yield from weights(plan)
    yield from disk(plan, store)
    yield from computing(plan, options.launcher or plan.suite.file.launcher)


def packages(plan: Plan) -> Iterator[Finding]:
    jobs = [plan.description(id) for id in plan.jobs]
    sources = {job.data.source for job in jobs}
    if "hfds" in sources and find_spec("datasets") is None:
        yield Finding("packages", "datasets is missing, which reads source: hfds", "missing", extra("hf"))
    if any(job.training is not None and job.training.compile for job in jobs) and not has_compiler():
        what = "no C compiler, which train.compile needs: training goes on without, slower"
        yield Finding("packages", what, "note", "install gcc")


def disk(plan: Plan, store: Store) -> Iterator[Finding]:
    """What the jobs would keep, at most, and the checkpoints of those that run at once."""
    artifact_bytes, largest = 0, 0
    for job in map(plan.description, plan.jobs):
        size = BYTES * models.params(job.spec)
        largest = max(largest, size)
        artifact_bytes += job.models_kept * size
    workers = plan.suite.file.jobs or len(gpus()) or cores()
    need = artifact_bytes + workers * COPIES * largest
    folder = next(path for path in (store.root.absolute(), *store.root.absolute().parents) if path.is_dir())
    free = psutil.disk_usage(str(folder)).free
    text = f"at most {need / 1e9:.2g} GB of artifacts and checkpoints; {free / 1e9:.3g} GB are free"
    yield Finding("disk", text, "ok" if free > need else "missing", "" if free > need else "choose another --results")


def computing(plan: Plan, launcher: str) -> Iterator[Finding]:
    file = plan.suite.file
    if launcher == "slurm":
        section = file.slurm or Slurm()
        asked = ", ".join(f"{kind} {section.of(kind).gpus}" for kind in KINDS)
        yield Finding("launcher", f"slurm; GPUs of an allocation: {asked}")
        if not shutil.which("sbatch"):
            yield Finding("launcher", "no sbatch on this machine", "missing", "run it on the cluster's login node")
        there = partitions()
        for name in sorted({section.of(kind).partition for kind in KINDS} - {None, *there}) if there else []:
            known = f"there are: {', '.join(there)}"
            yield Finding(
                "launcher", f"Slurm has no partition {name}", "missing", f"{known}; --set slurm.partition=NAME"
            )
        return
    devices = gpus() if file.device != "cpu" else []
    if file.device == "cuda" and not devices:
        yield Finding("launcher", "the suite says device: cuda, and there is no GPU", "missing", "--set device=cpu")
        return
    where = f"{len(devices)} GPUs" if devices else f"{cores()} CPU cores"
    large = any(models.train_flops(cell.spec) > 1e9 for cell in plan.cells) and not devices
    hint = "models of this size want a GPU; bench plan --probe measures how long it takes here" if large else ""
    yield Finding("launcher", f"{launcher}, on {where}", "note" if large else "ok", hint)

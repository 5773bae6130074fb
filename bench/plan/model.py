"""The words of a plan."""

from dataclasses import dataclass, field

from bench.jobs import Job, description_of
from bench.jobs.description import JobDescription
from bench.recipes.recipe import Recipe
from bench.suite import DataEntry, MethodEntry, Suite
from methods import Initializer
from methods.vit import VitSpec


@dataclass(frozen=True)
class Family:
    """What the runs on targets that one learngene serves have in common, reported ones and tuning runs alike."""

    method: MethodEntry
    initializer: Initializer  # with its derived options filled in
    data: DataEntry
    ancestors: tuple[str, ...]
    teacher: str | None  # of what the method trains
    run_teacher: str | None  # of the runs; the method's, unless it has none and the runs distil
    recipe: Recipe  # of what the method trains
    learngene: str
    sizes: int  # targets that share the learngene


@dataclass(frozen=True)
class RunCell:
    """A run of the suite as a row of the results: method x target x data set x seed."""

    method: MethodEntry
    initializer: Initializer  # with its derived options filled in
    data: DataEntry
    spec: VitSpec
    target: str
    seed: int
    position: tuple[str | int, ...]  # of its target in the suite
    ancestors: tuple[str, ...]
    run: str
    skipped: str | None = None  # why there is no run
    start: str | None = None
    learngene: str | None = None
    teacher: str | None = None  # what is distilled from, where that is no ancestor of the method
    trials: tuple[str, ...] = ()  # jobs done on this target to choose the learning rate: starts, then tuning runs

    @property
    def name(self) -> str:
        """The readable id that `--only` filters by."""
        return f"{self.method.label}-{self.target}-{self.data.name}-s{self.seed}"

    @property
    def recipe(self) -> Recipe:
        """How the run trains, before its learning rate is chosen."""
        return self.method.runs


@dataclass
class Plan:
    """A suite's runs, and the jobs they take in an order in which what is needed comes first."""

    suite: Suite
    jobs: dict[str, Job]
    cells: list[RunCell]
    warnings: list[str] = field(default_factory=list)  # of what will be done, but hardly as its author thinks
    # what the jobs were made from, as far as it is at hand
    planned: dict[str, JobDescription] = field(default_factory=dict, repr=False, compare=False)
    left_out: list[RunCell] = field(default_factory=list, repr=False, compare=False)  # of the suite, by `--only`
    _descriptions: dict[str, JobDescription] = field(default_factory=dict, init=False, repr=False, compare=False)
    _training_flops: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def training_flops(self, id: str) -> float:
        """Estimated FLOPs of what a job trains; 0 where it trains nothing."""
        if id not in self._training_flops:
            self._training_flops[id] = self.as_planned(id).training_flops
        return self._training_flops[id]

    def as_planned(self, id: str) -> JobDescription:
        """What a job was made from, or read back from it where that is not at hand, which takes longer."""
        return self.planned.get(id) or self.description(id)

    def description(self, id: str) -> JobDescription:
        """A job with typed attributes, made once."""
        if id not in self._descriptions:
            self._descriptions[id] = description_of(self.jobs[id])
        return self._descriptions[id]

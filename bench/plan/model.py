"""The words of a plan."""

from dataclasses import dataclass, field

from bench.jobs.model import Job
from bench.recipes.recipe import Recipe
from bench.suite import DataEntry, MethodEntry, Suite
from methods import Initializer
from methods.vit import VitSpec


@dataclass
class Cell:
    """A run of the suite as a row of the results: method x target x data set x seed."""

    method: MethodEntry
    initializer: Initializer  # with its derived options filled in
    data: DataEntry
    spec: VitSpec
    target: str
    seed: int
    recipe: Recipe
    skipped: str | None = None
    position: tuple[str | int, ...] = ()  # of its target in the suite
    run: str = ""
    start: str | None = None
    learngene: str | None = None
    ancestors: list[str] = field(default_factory=list)
    teacher: str | None = None  # what is distilled from, where that is no ancestor of the method
    tuned_by: dict[str, list[str]] = field(default_factory=dict)  # candidate -> its tuning runs

    @property
    def name(self) -> str:
        """The readable id that `--only` filters by."""
        return f"{self.method.label}-{self.target}-{self.data.name}-s{self.seed}"

    @property
    def jobs(self) -> list[str]:
        return [job for job in (*self.ancestors, self.learngene, self.start, self.run) if job]


@dataclass
class Plan:
    """A suite's runs, and the jobs they take in an order in which what is needed comes first."""

    suite: Suite
    jobs: dict[str, Job]
    cells: list[Cell]
    warnings: list[str] = field(default_factory=list)  # of what will be done, but hardly as its author thinks

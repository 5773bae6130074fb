"""A section of a report: the runs of one suite on one data set. What is compared is compared within a section."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

Axis = Literal["depth", "embed_dim", "target"]
P = ParamSpec("P")
T = TypeVar("T")


def once(function: Callable[Concatenate[Section, P], T]) -> Callable[Concatenate[Section, P], T]:
    """Return the function with what it returns kept for as long as its section lives; nobody may change that.

    Of other arguments those without a hash, frames, are told apart by which they are: they live as long."""
    results: WeakKeyDictionary[Section, dict[Any, tuple[Any, T]]] = WeakKeyDictionary()

    @wraps(function)
    def cached(section: Section, /, *args: P.args, **kwargs: P.kwargs) -> T:
        of_section = results.setdefault(section, {})
        values = (*args, *kwargs, *kwargs.values())
        key = tuple(value if isinstance(value, Hashable) else id(value) for value in values)
        if key not in of_section:
            of_section[key] = (args, kwargs), function(section, *args, **kwargs)
        return of_section[key][1]

    return cached


@dataclass(frozen=True, eq=False)
class Section:
    """Runs of one suite and data set. A cell is one target here; its replicates are the seeds."""

    suite: str
    dataset: str
    runs: DataFrame

    @property
    def title(self) -> str:
        return f"{self.suite}: {self.dataset}"

    @cached_property
    def methods(self) -> list[str]:
        """Return labels in the order of the suite."""
        return list(dict.fromkeys(self.runs["method"]))

    @cached_property
    def _first(self) -> DataFrame:
        """What the first run of each label says of it."""
        columns = ["method", "method_use", "control", "block", "options", "ancestor"]
        return self.runs[columns].drop_duplicates("method")

    @cached_property
    def controls(self) -> dict[str, str]:
        """Return label -> what it controls for, of the labels that are no methods to compare."""
        first = self._first
        return {label: what for label, what in zip(first["method"], first["control"], strict=True) if what}

    @cached_property
    def blocks(self) -> dict[str, list[str]]:
        """Return block -> its labels: what seeds may be paired within (see join.joined); one of all where nothing was
        joined."""
        first = self._first
        blocks: dict[str, list[str]] = {}
        for label, block in zip(first["method"], first["block"], strict=True):
            blocks.setdefault(block, []).append(label)
        return blocks

    def by_block(self) -> list[Section]:
        """Return a section for each block."""
        if len(self.blocks) < 2:
            return [self]
        chosen = (self.runs[self.runs["method"].isin(labels)] for labels in self.blocks.values())
        return [Section(self.suite, self.dataset, runs) for runs in chosen]

    @cached_property
    def sources(self) -> dict[str, list[str]]:
        """Return source -> labels that have rows of it; empty where nothing was joined."""
        rows = self.runs[["source", "method"]][self.runs["source"] != ""].drop_duplicates()
        return {str(source): group["method"].tolist() for source, group in rows.groupby("source", sort=False)}

    @cached_property
    def seeds(self) -> list[int]:
        return sorted(self.runs["seed"].dropna().unique().tolist())

    @cached_property
    def sizes(self) -> DataFrame:
        """Return a row per target (the index), by width and then depth: arch, embed_dim, depth, num_heads, params,
        macs."""
        columns = ["arch", "embed_dim", "depth", "num_heads", "params", "macs"]
        first = self.runs[["target", *columns]].drop_duplicates("target").set_index("target")
        return first.sort_values(["embed_dim", "depth", "num_heads"], kind="stable")

    @cached_property
    def targets(self) -> list[str]:
        return self.sizes.index.tolist()

    @cached_property
    def axis(self) -> Axis:
        """Return what to draw along x: the depth, else the width; the plain list of targets where these name no
        size."""
        sizes = self.sizes
        if sizes.duplicated(["embed_dim", "depth"]).any() or sizes[["embed_dim", "depth"]].isna().any(axis=None):
            return "target"
        return "embed_dim" if sizes["depth"].nunique() == 1 < sizes["embed_dim"].nunique() else "depth"

    @cached_property
    def use(self) -> dict[str, str]:
        """Return label -> registered method behind it (the label itself where the runs do not say)."""
        first = self._first
        return {label: use or label for label, use in zip(first["method"], first["method_use"], strict=True)}

    @cached_property
    def distilled(self) -> list[str]:
        """Return labels whose runs are seen to be distilled from a teacher: by their own recipe, or by the suite's.

        The suite's is seen by a label that counts an ancestor as its cost although its method reads none. Without such
        a label nothing tells a run's teacher from its method's ancestor.
        """
        first = self._first.set_index("method")
        recipes = first["options"].map(own_recipe)
        needs = self.done.groupby("method")["needs"].agg(" ".join).reindex(first.index, fill_value="")
        reads_none = needs.ne("") & ~needs.str.contains("ancestor|teacher")
        by_suite = (reads_none & first["ancestor"].ne("") & ~recipes.map(lambda recipe: "distill" in recipe)).any()
        suites: dict[str, Any] = {"distill": {}} if by_suite else {}
        return [label for label, recipe in recipes.items() if (suites | recipe).get("distill") is not None]

    @cached_property
    def done(self) -> DataFrame:
        return self.runs[self.runs["status"] == "done"]

    @cached_property
    def ancestors(self) -> list[float]:
        """Return test top-1 of each ancestor, where they differ by their seed alone; empty where there are others, or
        none."""
        known = self.done[["ancestor", "ancestor_top1", "method_seed"]][self.done["ancestor_top1"].notna()]
        first = known.assign(first=known["ancestor"].str.split().str[0]).drop_duplicates("first")
        alone = not first["method_seed"].fillna(0).duplicated().any()
        return first["ancestor_top1"].tolist() if alone else []

    @once
    def scores(self, metric: str = "top1") -> NDArray:
        """Return values of the finished runs as an array [seeds, targets, methods]; NaN where there is none."""
        cube = np.full((len(self.seeds), len(self.targets), len(self.methods)), np.nan)
        cube[self._cells] = self.done[metric].to_numpy(dtype=float, na_value=np.nan)
        cube.setflags(write=False)
        return cube

    @cached_property
    def _cells(self) -> tuple[NDArray, ...]:
        """Where the finished runs are along each axis of `scores`."""
        axes: dict[str, list[Any]] = {"seed": self.seeds, "target": self.targets, "method": self.methods}
        places = {name: {value: i for i, value in enumerate(values)} for name, values in axes.items()}
        return tuple(np.array([of[v] for v in self.done[name].tolist()], dtype=int) for name, of in places.items())


def finished_first(runs: DataFrame) -> DataFrame:
    """Return the runs with the finished ones before the others, each in their order."""
    return runs.iloc[np.argsort((runs["status"] != "done").to_numpy(), kind="stable")]


def own_recipe(options: str) -> dict[str, Any]:
    """Return what the recipe of a label's runs has other than the suite's, from its options."""
    try:
        recipe = json.loads(options or "{}").get("runs", {})
    except (ValueError, AttributeError):
        return {}
    return recipe if isinstance(recipe, dict) else {}


def sections(runs: DataFrame) -> list[Section]:
    """Return the sections of a frame of runs, in its order."""
    groups = runs.groupby(["suite", "dataset"], sort=False)
    return [Section(str(suite), str(dataset), group) for (suite, dataset), group in groups]

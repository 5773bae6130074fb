"""A suite, validated and resolved: what a plan is made from. Torch-free."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.suite.ancestor_sizes import ancestor_spec
from bench.suite.entries import AncestorEntry, DataEntry, MethodEntry, TargetEntry
from bench.suite.problems import Source
from bench.suite.schema import SuiteFile
from methods.vit import VitSpec


@dataclass
class Suite:
    """Everything a suite file says."""

    file: SuiteFile
    path: Path
    resolved: dict[str, Any]  # the plain data, `--set` applied
    source: Source
    data: list[DataEntry]
    ancestors: dict[str, AncestorEntry]
    targets: list[TargetEntry]
    methods: list[MethodEntry]

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def all_data(self) -> list[DataEntry]:
        """The data sets of its runs, ancestors and learngenes, each once."""
        others = [ancestor.data for ancestor in self.ancestors.values()] + [m.condense_on for m in self.methods]
        together: list[DataEntry] = []
        for entry in [*self.data, *others]:
            if entry is not None and all(entry.settings != other.settings for other in together):
                together.append(entry)
        return together

    def base_spec(self, ancestor: AncestorEntry | None, data: DataEntry) -> VitSpec:
        """The ancestor's size on a data set, or this project's default size without one."""
        image = data.image
        plain = VitSpec(**image) if image["img_size"] % 16 == 0 else VitSpec(patch_size=image["img_size"], **image)
        return plain if ancestor is None else ancestor_spec(ancestor, plain, (ancestor.data or data).image)

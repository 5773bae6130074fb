"""Families of tests: which labels a suite compares, declared before its runs. Holm's correction is within a family."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from bench.suite.problems import KeyPath, Source, collect, nearest
from bench.suite.strict import Strict

FamilyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-]([A-Za-z0-9_ .+-]*[A-Za-z0-9_.+-])?$", max_length=100)]
_Labels = Annotated[list[str], Field(min_length=1)]


def _one_of_two(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [{"required": ["among"]}, {"required": ["against", "labels"]}]


class FamilyOfTests(Strict):
    """Paired differences between all `among`, or of each of `labels` to `against`."""

    model_config = ConfigDict(json_schema_extra=_one_of_two)

    among: _Labels = Field(default=[], description="labels that are compared with each other")
    against: str = Field(default="", description="the label that each of `labels` is compared with")
    labels: _Labels = []
    metric: Literal["top1", "top1_init", "best_top1"] = "top1"
    targets: _Labels = Field(default=[], description="names of the targets that it is over; default: all")
    margin: Annotated[float, Field(gt=0, le=100)] | None = Field(
        default=None, description="points within which two labels are level; without it nothing is called level"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        keys = self.model_fields_set & {"among", "against", "labels"}
        if keys not in ({"among"}, {"against", "labels"}):
            names = " and ".join(sorted(keys)) or "neither"
            raise ValueError(f"expected either among, or against and labels, found {names}")
        if len(self.among) == 1:
            raise ValueError(f"among has one label, {self.among[0]!r}; expected at least two to compare")
        for key in ("among", "labels", "targets"):
            names = getattr(self, key)
            if twice := [name for i, name in enumerate(names) if name in names[:i]]:
                raise ValueError(f"{key} lists {twice[0]!r} twice")
        if self.against in self.labels:
            raise ValueError(f"{self.against!r} is compared with itself; expected labels without it")
        return self

    def as_mapping(self) -> dict[str, Any]:
        """Return what is said, and the metric."""
        return {"metric": self.metric} | self.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def check(families: Mapping[str, FamilyOfTests], labels: Iterable[str], source: Source) -> None:
    """Raise SuiteError for labels that are none of the suite's."""
    labels = list(labels)

    def known(name: str, key: str, label: str) -> None:
        if label not in labels:
            message = f"no method has the label {label!r}{nearest(label, labels)}"
            raise source.error(("families", name, key), message)

    parts = []
    for name, family in families.items():
        named = {"among": family.among, "against": [family.against] if family.against else [], "labels": family.labels}
        parts += [(name, key, label) for key, some in named.items() for label in some]
    collect(*(lambda part=part: known(*part) for part in parts))


def check_targets(families: Mapping[str, FamilyOfTests], targets: Iterable[str], source: Source) -> None:
    """Raise SuiteError for names of targets that the suite does not have."""
    targets = list(dict.fromkeys(targets))
    for name, family in families.items():
        check_names(family.targets, targets, source, ("families", name, "targets"))


def check_names(names: Iterable[str], targets: Iterable[str], source: Source, at: KeyPath) -> None:
    """Raise SuiteError, at the key `at`, for names that are none of the targets'."""
    targets = list(dict.fromkeys(targets))
    for name in names:
        if name not in targets:
            raise source.error(at, f"no target is named {name!r}{nearest(name, targets)}")

"""The targets of a suite as each method meets them: which ancestors serve which, and what is skipped."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench.identity import canonical
from bench.models import size_name
from bench.plan.names import target_names
from bench.plan.recipe_checks import Position, RecipeChecks
from bench.suite import AncestorEntry, DataEntry, MethodEntry, Suite, TargetEntry
from bench.suite.sizes import spec
from methods.vit import VitSpec


@dataclass(frozen=True)
class MethodTarget:
    """A target as a method meets it: its size, the ancestors that serve it, or why it is not served."""

    position: Position  # in the suite
    spec: VitSpec
    name: str
    ancestors: tuple[AncestorEntry, ...]
    base: VitSpec | None  # size of the first ancestor
    family: Any  # what of the target its learngene depends on
    skipped: str | None

    @cached_property
    def group(self) -> str:
        """Equal for the targets that one learngene serves."""
        return canonical([self.family, [ancestor.name for ancestor in self.ancestors]])


def unknown_ancestor(method: MethodEntry, base: VitSpec | None) -> bool:
    """Whether its learngene came as a file, of an ancestor of which the suite says nothing: what does not go with it
    is seen when a target is initialised."""
    return base is None and bool(method.initializer.ancestors)


class Targets:
    """Resolves the targets of a suite for its methods. Every problem is raised as SuiteError."""

    def __init__(self, suite: Suite, checks: RecipeChecks) -> None:
        self.suite, self.checks = suite, checks
        self._bases: dict[tuple[str | None, str], VitSpec] = {}

    def of(self, method: MethodEntry, data: DataEntry) -> list[MethodTarget]:
        """All targets on a data set, in the suite's order."""
        sizes = [self._size(method, data, entry) for entry in self.suite.targets]
        names = target_names(sizes)
        pairs = zip(self.suite.targets, sizes, names, strict=True)
        return [self._target(method, data, entry, size, name) for entry, size, name in pairs]

    def _size(self, method: MethodEntry, data: DataEntry, entry: TargetEntry) -> VitSpec:
        ancestors = self._ancestors(method, entry)
        shaped_like = ancestors[0] if ancestors else self.only_ancestor(entry.ancestor)
        try:
            return spec(entry.size, self.base(shaped_like, data).replace(**data.image), data.image)
        except (ValueError, TypeError) as error:
            raise self.suite.source.error(entry.position, str(error)) from None

    def _target(
        self, method: MethodEntry, data: DataEntry, entry: TargetEntry, size: VitSpec, name: str
    ) -> MethodTarget:
        ancestors = self._ancestors(method, entry)
        base = self.base(ancestors[0], data) if ancestors else None
        self._equal_sizes(method, data, ancestors)
        place = f" (target {size_name(size)} of {self.suite.source.place(entry.position)})"
        skipped = None
        if not unknown_ancestor(method, base):
            skipped = self.ask(method, "supports", base, size, place=place)
            if skipped is None:
                self.ask(method, "check", base, size, place=place)
        family = self.ask(method, "family", size, place=place)
        return MethodTarget(entry.position, size, name, tuple(ancestors), base, family, skipped)

    def _equal_sizes(self, method: MethodEntry, data: DataEntry, ancestors: list[AncestorEntry]) -> None:
        """Raise SuiteError where ancestors that become one model differ in size."""
        for other in ancestors[1:]:
            first, size = self.base(ancestors[0], data), self.base(other, data)
            unequal = [name for name, value in vars(size).items() if value != getattr(first, name)]
            if unequal:
                pairs = ((first, ancestors[0].name), (size, other.name))
                values = ", ".join(f"{getattr(spec, unequal[0])} of {name!r}" for spec, name in pairs)
                wish = f"{method.label} takes ancestors of one size, found {unequal[0]} {values}"
                message = f"{wish}; choose some with 'ancestor'"
                raise self.suite.source.error(method.position, message)

    def ask(self, method: MethodEntry, question: str, *arguments: Any, place: str = "") -> Any:
        """What a method says of a size, or of all; what it raises is a problem of its entry in the suite."""
        try:
            answer = getattr(method.initializer, question)(*arguments)
            if question == "family":
                canonical(answer)
            return answer
        except Exception as error:
            expected = isinstance(error, ValueError)
            message = str(error) if expected else f"{method.use}.{question} raised {type(error).__name__}: {error}"
            raise self.suite.source.error(method.position, message + place) from None

    def base(self, ancestor: AncestorEntry | None, data: DataEntry) -> VitSpec:
        """The size that a target takes what it does not say from: the ancestor's, or the project's default."""
        key = (ancestor.name if ancestor else None, data.name)
        if key not in self._bases:
            try:
                self._bases[key] = self.suite.base_spec(ancestor, data)
            except (ValueError, TypeError) as error:
                raise self.suite.source.error(ancestor.position if ancestor else (), str(error)) from None
            if ancestor is not None and ancestor.recipe is not None:
                self.checks.check(ancestor.recipe, ancestor.data or data, (*ancestor.position[:-1], "train"))
        return self._bases[key]

    def only_ancestor(self, name: str | None) -> AncestorEntry | None:
        """The one of that name, else the only one that a model can be initialised from, else the only one."""
        if name is not None:
            return self.suite.ancestors[name]
        entries = list(self.suite.ancestors.values())
        entries = [entry for entry in entries if entry.is_vit] or entries
        return entries[0] if len(entries) == 1 else None

    def _ancestors(self, method: MethodEntry, target: TargetEntry) -> list[AncestorEntry]:
        """The ancestors of a method for a target: the method's own, else the target's, else the only one."""
        entries, wanted = self.suite.ancestors, method.initializer.ancestors
        if not wanted:
            return []
        if method.ancestors:
            chosen = [entries[name] for name in method.ancestors]
        elif wanted == "many" and target.ancestor is None:
            chosen = [entry for entry in entries.values() if entry.is_vit]
        else:
            only = self.only_ancestor(target.ancestor)
            chosen = [only] if only else []
        if method.starts_from_file and len(chosen) != 1:
            return []
        if wanted == 1 and len(chosen) != 1:
            message = f"{method.label} takes one ancestor; say which with 'ancestor' (named: {', '.join(entries)})"
            raise self.suite.source.error(method.position, message)
        for other in chosen:
            if not other.is_vit:
                trouble = f"the ancestor {other.name!r} is {other.model['timm']}, which can only be a teacher"
                raise self.suite.source.error(method.position, f"{method.label} starts from a plain ViT; {trouble}")
        for place, name in enumerate(method.ancestors or []):
            if name in (method.ancestors or [])[:place]:
                raise self.suite.source.error((*method.position, "ancestor"), f"the ancestor {name!r} is named twice")
        return chosen

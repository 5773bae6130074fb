"""The runs of a suite: which ancestor serves which target, what is skipped, and which jobs each run takes."""

from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from bench.identity import canonical, size_name
from bench.plan.jobs import Jobs, method_recipe
from bench.plan.model import Cell
from bench.plan.names import target_names
from bench.recipes.recipe import Recipe
from bench.suite import AncestorEntry, DataEntry, MethodEntry, Suite, TargetEntry
from bench.suite.sizes import spec
from methods.vit import VitSpec


@dataclass
class Served:
    """A target as a method meets it: its size, the ancestors that serve it, or why it is not served."""

    position: tuple[str | int, ...]  # in the suite
    spec: VitSpec
    name: str
    ancestors: list[AncestorEntry]
    base: VitSpec | None  # size of the first ancestor
    family: Any
    skipped: str | None


class Builder:
    """Collects the cells of a suite, and their jobs."""

    def __init__(self, suite: Suite) -> None:
        self.suite, self.jobs = suite, Jobs(suite)
        self.cells: list[Cell] = []
        self.recipes: dict[str, dict[str, Any]] = {}  # of what each method trains
        self.warnings: dict[str, None] = {}  # each once, in order
        self._bases: dict[tuple[str | None, str], VitSpec] = {}

    def add(self, method: MethodEntry, data: DataEntry) -> None:
        """All runs of a method on a data set; one learngene per family of targets."""
        self.check_recipe(method.runs, data, ("train",), (*method.position, "runs"))
        served, made = self.served(method, data), []
        for target in served:
            members = [s.spec for s in served if s.skipped is None and s.family == target.family]
            initializer = method.initializer
            if target.skipped is None:
                initializer = self.ask(method, "resolve", target.base, members)
            for seed in method.seeds:
                size, skipped = (target.spec, target.name), target.skipped
                cell = Cell(method, initializer, data, *size, seed, method.runs, skipped, target.position)
                self.prepare(cell, target.ancestors, members)
                made.append((cell, len(members)))
        candidates = self.candidates(made)
        for cell, sizes in made:
            cell.run = self.jobs.skipped(cell) if cell.skipped else self.run(cell, sizes, candidates)
        self.cells += [cell for cell, _ in made]

    def served(self, method: MethodEntry, data: DataEntry) -> list[Served]:
        found = []
        for entry in self.suite.targets:
            ancestors = self.ancestors_of(method, entry)
            shaped_like = ancestors[0] if ancestors else self.only_ancestor(entry.ancestor)
            try:
                size = spec(entry.given, self.base(shaped_like, data).replace(**data.image), data.image)
            except (ValueError, TypeError) as error:
                raise self.suite.source.error(entry.position, str(error)) from None
            base = self.base(ancestors[0], data) if ancestors else None
            at = f" (target {size_name(size)} of {self.suite.source.place(entry.position)})"
            skipped = self.ask(method, "supports", base, size, of=at)
            if skipped is None:
                self.ask(method, "check", base, size, of=at)
            family = (self.ask(method, "family", size, of=at), [a.name for a in ancestors])
            found.append(Served(entry.position, size, "", ancestors, base, family, skipped))
        for target, name in zip(found, target_names([s.spec for s in found]), strict=True):
            target.name = name
        return found

    def ask(self, method: MethodEntry, question: str, *given: Any, of: str = "") -> Any:
        """What a method says of a size, or of all; what it raises is a problem of its entry in the suite."""
        try:
            answer = getattr(method.initializer, question)(*given)
            if question == "family":
                canonical(answer)
            return answer
        except Exception as error:
            expected = isinstance(error, ValueError)
            message = str(error) if expected else f"{method.use}.{question} raised {type(error).__name__}: {error}"
            raise self.suite.source.error(method.position, message + of) from None

    def check_recipe(self, recipe: Recipe, data: DataEntry, *places: tuple[str | int, ...]) -> None:
        """Whether a data set can be trained on so. `places`: keys that say how, the last above others."""
        try:
            recipe.augment.check(data.settings)
        except ValueError as error:
            raise self.suite.source.error(self.said("augment", *places), str(error)) from None
        images = dict(data.description.counts)["train"]
        if recipe.trains and recipe.batch_size > images:
            found = f"{recipe.batch_size:,} is more than the {images:,} training images of {data.name}"
            message = f"{found}, which are then the whole batch"
            self.warnings[self.suite.source.problem(self.said("batch_size", *places), message)] = None

    def said(self, key: str, *places: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """Where the suite says `key`: the last of the places that has it, or names a recipe; else the first place."""
        source = self.suite.source
        found = [(*place, k) for place in places for k in ("recipe", key) if (*place, k) in source]
        return found[-1] if found else places[0]

    def base(self, ancestor: AncestorEntry | None, data: DataEntry) -> VitSpec:
        key = (ancestor.name if ancestor else None, data.name)
        if key not in self._bases:
            try:
                self._bases[key] = self.suite.base_spec(ancestor, data)
            except (ValueError, TypeError) as error:
                raise self.suite.source.error(ancestor.position if ancestor else (), str(error)) from None
            if ancestor is not None and ancestor.recipe is not None:
                self.check_recipe(ancestor.recipe, ancestor.data or data, (*ancestor.position[:-1], "train"))
        return self._bases[key]

    def only_ancestor(self, named: str | None) -> AncestorEntry | None:
        """The one that is named, else the only one that a model can be initialised from, else the only one."""
        if named is not None:
            return self.suite.ancestors[named]
        entries = list(self.suite.ancestors.values())
        entries = [entry for entry in entries if entry.is_vit] or entries
        return entries[0] if len(entries) == 1 else None

    def ancestors_of(self, method: MethodEntry, target: TargetEntry) -> list[AncestorEntry]:
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
        if wanted == 1 and len(chosen) != 1:
            message = f"{method.label} takes one ancestor; say which with 'ancestor' (named: {', '.join(entries)})"
            raise self.suite.source.error(method.position, message)
        for other in chosen:
            if not other.is_vit:
                found = f"the ancestor {other.name!r} is {other.model['timm']}, which can only be a teacher"
                raise self.suite.source.error(method.position, f"{method.label} starts from a plain ViT; {found}")
        return chosen

    def prepare(self, cell: Cell, ancestors: list[AncestorEntry], members: list[VitSpec]) -> None:
        """Give the cell the jobs before its run."""
        made_with = cell.seed if self.suite.file.replicate == "all" else 0
        cell.ancestors = [self.ancestor(a, cell.data, made_with) for a in ancestors]
        if cell.skipped:
            return
        trained_like = ancestors[0] if ancestors else self.only_ancestor(None)
        try:
            recipe = method_recipe(cell.method, trained_like) if cell.initializer.trains else {}
        except ValidationError as error:
            at = (*cell.method.position, "train")
            raise self.suite.source.invalid(at, error, Recipe) from None
        data = (ancestors[0].data if ancestors else None) or cell.data
        own = (*cell.method.position, "train")
        inherited = [(*trained_like.position[:-1], "train")] if trained_like else []
        if cell.initializer.trains:
            self.check_recipe(Recipe.model_validate(recipe), data, *inherited, own)
        teacher = self.teacher(cell, made_with)
        cell.learngene = self.jobs.learngene(cell, data, recipe, members, teacher, made_with)
        if cell.initializer.trains_start:
            cell.start = self.jobs.start(cell, recipe, teacher)
        self.recipes[cell.method.label] = recipe
        if cell.recipe.distill is not None and teacher is None:
            teacher = self.run_teacher(cell, made_with)
        cell.teacher = teacher

    def run(self, cell: Cell, sizes: int, candidates: dict[str, list[str]]) -> str:
        """The cell's run. `sizes` targets share its learngene; `candidates` are the tuning runs by learning rate."""
        extra: dict[str, Any] = {}
        if self.suite.file.budget == "total":
            extra["budget"] = {"learngene": cell.learngene, "sizes": sizes}
        if candidates:
            cell.tuned_by = candidates
            extra["tune"] = {"lr": candidates}
        return self.jobs.run(cell, cell.teacher, **extra)

    def candidates(self, made: list[tuple[Cell, int]]) -> dict[str, list[str]]:
        """The runs that the learning rate of a method is chosen by: each rate on each target, at the tuning seed.

        They start from what was made for the first seed, and see the validation part alone.
        """
        tune = self.suite.file.tune
        if tune is None:
            return {}
        if any(tune.seed in cell.method.seeds for cell, _ in made):
            raise self.suite.source.error(("tune", "seed"), f"expected a seed of no reported run, found {tune.seed}")
        runs: dict[str, list[str]] = {}
        for rate in tune.lr:
            for cell, sizes in made:
                if cell.skipped or cell.seed != cell.method.seeds[0]:
                    continue
                recipe = cell.recipe.model_copy(update={"lr": rate})
                trial = replace(cell, seed=tune.seed, recipe=recipe, start=None)
                self.restart(trial)
                extra: dict[str, Any] = {"part": "val"}
                if self.suite.file.budget == "total":
                    extra["budget"] = {"learngene": cell.learngene, "sizes": sizes}
                runs.setdefault(repr(rate), []).append(self.jobs.run(trial, cell.teacher, **extra))
        return runs

    def restart(self, trial: Cell) -> None:
        """Give a tuning run a start of its own, where its method trains to initialise."""
        if trial.initializer.trains_start:
            trial.start = self.jobs.start(trial, self.recipes[trial.method.label], trial.teacher)

    def ancestor(self, entry: AncestorEntry, runs_on: DataEntry, seed: int) -> str:
        return self.jobs.ancestor(entry, self.base(entry, runs_on), entry.data or runs_on, seed)

    def teacher(self, cell: Cell, seed: int) -> str | None:
        """The classifier distilled from: the one that the suite names, else the method's ancestor."""
        name = self.suite.file.teacher
        if name is not None and cell.initializer.ancestors:
            return self.ancestor(self.suite.ancestors[name], cell.data, seed)
        return cell.ancestors[0] if cell.ancestors else None

    def run_teacher(self, cell: Cell, seed: int) -> str:
        """The teacher of a run that distils although its method has no ancestor."""
        entry = self.only_ancestor(self.suite.file.teacher)
        if entry is None:
            message = "distill needs a teacher; expected one ancestor, or a top-level key 'teacher' that names one"
            raise self.suite.source.error(("train",), message)
        return self.ancestor(entry, cell.data, seed)

    def reject_duplicates(self) -> None:
        seen: dict[str, Cell] = {}
        for cell in self.cells:
            if cell.skipped:
                continue
            other = seen.setdefault(cell.run, cell)
            if other is cell:
                continue
            if other.method is cell.method:
                raise self.suite.source.error(cell.position, f"the target {cell.target} is listed twice")
            labels = f"{other.method.label!r} and {cell.method.label!r}"
            raise self.suite.source.error(cell.method.position, f"the labels {labels} describe the same run {cell.run}")

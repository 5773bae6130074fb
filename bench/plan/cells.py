"""The runs of a suite and the jobs that each takes: targets by family, what a family shares, then the cells."""

from collections.abc import Sequence

from pydantic import ValidationError

from bench.plan.head_checks import unknown_head
from bench.plan.jobs import Jobs, method_recipe
from bench.plan.model import Family, RunCell
from bench.plan.recipe_checks import RecipeChecks
from bench.plan.targets import MethodTarget, Targets, unknown_ancestor
from bench.plan.tuning import Tuning, tuning_of
from bench.recipes.recipe import Recipe
from bench.suite import AncestorEntry, DataEntry, MethodEntry, Suite
from bench.suite.families import check_names
from bench.words import few
from methods.vit import VitSpec

SEED_STEP = 10_000  # between the seeds of ancestors that differ in `seed`: those of suites are smaller


class Builder:
    """Collects the cells of a suite, and their jobs."""

    def __init__(self, suite: Suite) -> None:
        self.suite, self.jobs, self.checks = suite, Jobs(suite), RecipeChecks(suite)
        self.targets = Targets(suite, self.checks)
        self.cells: list[RunCell] = []
        self._ancestors: dict[tuple[int, int, int], str] = {}  # jobs, by what they are made of and for

    def add(self, method: MethodEntry, data: DataEntry) -> None:
        """All runs of a method on a data set; one learngene per family of targets."""
        self.checks.check(method.runs, data, ("train",), (*method.position, "runs"))
        targets = self.targets.of(method, data)
        members: dict[str, list[MethodTarget]] = {}
        for target in targets:
            if target.skipped is None:
                members.setdefault(target.group, []).append(target)
        shared_seeds = dict.fromkeys(self.shared_seed(seed) for seed in method.seeds)
        families = {
            (group, seed): self.family(method, data, targets_of_it, seed)
            for group, targets_of_it in members.items()
            for seed in shared_seeds
        }
        tried = self.suite.file.tune.targets if self.suite.file.tune else None
        check_names(tried or [], (target.name for target in targets), self.suite.source, ("tune", "targets"))
        served = [target for target in targets if target.skipped is None]

        def family_at(target: MethodTarget, seed: int) -> Family:
            return families[target.group, self.shared_seed(seed)]

        tuning = tuning_of(self.suite, self.jobs, method, served, family_at)
        for target in targets:
            for seed in method.seeds:
                if target.skipped is not None:
                    self.cells.append(self.skipped_cell(method, data, target, seed))
                else:
                    self.cells.append(self.cell(family_at(target, seed), target, seed, tuning))

    def shared_seed(self, seed: int) -> int:
        """The seed of the ancestors and learngene that a run of this seed starts from."""
        return seed if self.suite.file.replicate == "all" else 0

    def family(self, method: MethodEntry, data: DataEntry, members: list[MethodTarget], seed: int) -> Family:
        """The jobs before the runs on targets of one family; `seed` is theirs."""
        entries, specs = members[0].ancestors, [target.spec for target in members]
        initializer, base = method.initializer, members[0].base
        if not unknown_ancestor(method, base):
            initializer = self.targets.ask(method, "resolve", base, specs)
        trained_like = entries[0] if entries else self.targets.only_ancestor(None)
        trained_on = method.condense_on or (entries[0].data if entries else None) or data
        train_at = (*method.position, "train")
        condenses = initializer.trains and not method.starts_from_file
        if method.condense_on:
            self.check_source(method, method.condense_on, members[0].base or specs[0])
            teaches = self.teacher_entry(method, entries)
            if condenses and teaches and teaches.recipe is not None and "teacher" in initializer.uses:
                self.check_classes(method, method.condense_on, teaches, data)
        trains = condenses or initializer.trains_start
        try:
            recipe = method_recipe(method, trained_like) if trains else Recipe()
        except ValidationError as error:
            raise self.suite.source.invalid(train_at, error, Recipe) from None
        if trains:
            inherited = [(*trained_like.position[:-1], "train")] if trained_like else []
            self.checks.check(recipe, trained_on if condenses else data, *inherited, train_at)
        for option in initializer.recipes:
            at = (*method.position, option)
            try:
                self.checks.check(recipe.merged(getattr(initializer, option)), data, at)
            except ValidationError as error:
                raise self.suite.source.invalid(at, error, Recipe) from None
        if not method.starts_from_file:
            self.check_heads(method, entries, data)
        ancestors = tuple(self.ancestor(entry, data, seed) for entry in entries)
        for place, id in enumerate(ancestors):
            if id in ancestors[:place]:
                alike = f"the ancestors {entries[ancestors.index(id)].name!r} and {entries[place].name!r} are one model"
                message = f"{alike}; a key 'seed' tells apart what is made alike"
                raise self.suite.source.error(entries[place].position, message)
        teacher = self.teacher(method, data, entries, seed)
        if method.starts_from_file:
            teacher = teacher if initializer.trains_start else None
            ancestors, trained_on, seed_of_it = (), data, 0
        else:
            seed_of_it = seed
        distils = method.runs.distill is not None
        run_teacher = self.run_teacher(data, seed) if distils and teacher is None else teacher
        learngene = self.jobs.learngene(
            method,
            initializer,
            specs,
            members[0].family,
            ancestors=ancestors,
            data=trained_on,
            recipe=recipe if condenses else Recipe(),
            teacher=teacher,
            seed=seed_of_it,
        )
        return Family(method, initializer, data, ancestors, teacher, run_teacher, recipe, learngene, sizes=len(members))

    def check_source(self, method: MethodEntry, source: DataEntry, model: VitSpec) -> None:
        """Raise SuiteError where the data that a label learns on is not of the images that `model` takes."""
        at, wanted = (*method.position, "condense_on"), {"img_size": model.img_size, "in_chans": model.in_chans}
        differing = [key for key, value in wanted.items() if source.image[key] != value]
        if differing:
            actual, expected = (", ".join(f"{key} {of[key]}" for key in differing) for of in (source.image, wanted))
            whose = "its ancestor takes" if method.initializer.ancestors else "its targets take"
            message = f"{source.name} has {actual}; expected {expected}, which {whose}; say so of this data set"
            raise self.suite.source.error(at, message)
        if not (method.code or method.initializer.trains or method.initializer.ancestors or method.initializer.uses):
            message = f"{method.use} learns from no images, so nothing is made on {source.name}; leave this out"
            raise self.suite.source.error(at, message)

    def check_classes(self, method: MethodEntry, source: DataEntry, teacher: AncestorEntry, data: DataEntry) -> None:
        """Raise SuiteError where a label learns on classes that its teacher, which is trained here, does not know: each
        image would have a label of one list and the teacher's word of another."""
        known = teacher.data or data
        if known.description.class_id != source.description.class_id:
            actual, expected = (few(of.description.classes, 5) for of in (source, known))
            message = (
                f"{source.name} has the classes {actual}; expected those of its teacher {teacher.name!r}: {expected}"
            )
            raise self.suite.source.error((*method.position, "condense_on"), message)

    def cell(self, family: Family, target: MethodTarget, seed: int, tuning: Tuning) -> RunCell:
        """A run and all that it takes."""
        start = self.start(family, target, seed)
        return RunCell(
            family.method,
            family.initializer,
            family.data,
            target.spec,
            target.name,
            seed,
            target.position,
            family.ancestors,
            self.jobs.run(family, target.spec, seed, family.method.runs, start, candidates=tuning.runs),
            start=start,
            learngene=family.learngene,
            teacher=family.run_teacher,
            trials=tuning.jobs_on(target.name),
        )

    def skipped_cell(self, method: MethodEntry, data: DataEntry, target: MethodTarget, seed: int) -> RunCell:
        """A run that will not be, and why."""
        shared_seed = self.shared_seed(seed)
        return RunCell(
            method,
            method.initializer,
            data,
            target.spec,
            target.name,
            seed,
            target.position,
            tuple(self.ancestor(entry, data, shared_seed) for entry in target.ancestors),
            self.jobs.skipped_run(method, data, target.spec, seed),
            skipped=target.skipped,
        )

    def start(self, family: Family, target: MethodTarget, seed: int) -> str | None:
        """The start of a run, where the method trains to initialise."""
        return self.jobs.start(family, target.spec, seed) if family.initializer.trains_start else None

    def ancestor(self, entry: AncestorEntry, runs_on: DataEntry, seed: int) -> str:
        """The job of an ancestor, and of the one whose weights it begins with; `seed` is of those that have none."""
        key = (id(entry), id(runs_on), seed)
        if key not in self._ancestors:
            self._ancestors[key] = self._ancestor(entry, runs_on, seed)
        return self._ancestors[key]

    def _ancestor(self, entry: AncestorEntry, runs_on: DataEntry, seed: int) -> str:
        spec, data = self.targets.base(entry, runs_on), entry.data or runs_on
        start = self.ancestor(self.suite.ancestors[entry.start], runs_on, seed) if entry.start else None
        return self.jobs.ancestor(entry, spec, data, seed + SEED_STEP * entry.seed, start)

    def teacher(self, method: MethodEntry, data: DataEntry, entries: Sequence[AncestorEntry], seed: int) -> str | None:
        """The classifier that a method distils from: the one that the suite names, else its ancestor."""
        entry = self.teacher_entry(method, entries)
        return self.ancestor(entry, data, seed) if entry else None

    def teacher_entry(self, method: MethodEntry, entries: Sequence[AncestorEntry]) -> AncestorEntry | None:
        name = self.suite.file.teacher
        if name is not None and method.initializer.ancestors:
            return self.suite.ancestors[name]
        return entries[0] if entries else None

    def check_heads(self, method: MethodEntry, entries: Sequence[AncestorEntry], data: DataEntry) -> None:
        """Warn where a head that shall transfer will not, of an ancestor or of the teacher that goes into it."""
        if method.initializer.head != "transfer" or not entries:
            return
        teacher = self.suite.file.teacher
        for entry in [*entries, *([self.suite.ancestors[teacher]] if teacher else [])]:
            if warning := unknown_head(self.suite, entry, data):
                self.checks.warnings[warning] = None

    def run_teacher(self, data: DataEntry, seed: int) -> str:
        """The teacher of a run that distils although its method has no ancestor."""
        entry = self.targets.only_ancestor(self.suite.file.teacher)
        if entry is None:
            message = "distill needs a teacher; expected one ancestor, or a top-level key 'teacher' that names one"
            raise self.suite.source.error(("train",), message)
        return self.ancestor(entry, data, seed)

    def reject_duplicates(self) -> None:
        """Raise SuiteError for two cells that are the same run."""
        cells: dict[str, RunCell] = {}
        for cell in self.cells:
            if cell.skipped:
                continue
            other = cells.setdefault(cell.run, cell)
            if other is cell:
                continue
            if other.method is cell.method:
                raise self.suite.source.error(cell.position, f"the target {cell.target} is listed twice")
            labels = f"{other.method.label!r} and {cell.method.label!r}"
            raise self.suite.source.error(cell.method.position, f"the labels {labels} describe the same run {cell.run}")

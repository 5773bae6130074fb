"""Whether the data sets of a suite can be trained on as its recipes say."""

from bench.recipes.recipe import Recipe
from bench.suite import DataEntry, Suite

INSTEAD = {"epochs": "steps", "warmup_epochs": "warmup_steps"}  # what says nothing beside what
Position = tuple[str | int, ...]  # of a key in the suite


class RecipeChecks:
    """Checks recipes against data sets. warnings: of what will be done, but hardly as its author thinks; each once."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.warnings: dict[str, None] = {}  # a set that keeps its order

    def check(self, recipe: Recipe, data: DataEntry, *places: Position) -> None:
        """Raise SuiteError for an augmentation that the data set cannot have, and warn of too large a batch.

        places: keys of the suite that say how to train, the last above others.
        """
        try:
            recipe.augment.check(data.settings)
        except ValueError as error:
            raise self.suite.source.error(self._position("augment", *places), str(error)) from None
        images = dict(data.description.counts)["train"]
        if recipe.trains and recipe.batch_size > images:
            excess = f"{recipe.batch_size:,} is more than the {images:,} training images of {data.name}"
            message = f"{excess}, which are then the whole batch"
            self._warn("batch_size", message, *places)
        if images:  # of sets without images nothing is known, and nothing is trained
            self._check_length(recipe, images // min(recipe.batch_size, images), data.name, *places)
        for key, instead in INSTEAD.items():
            self._check_idle(key, instead, recipe, *places)

    def _check_length(self, recipe: Recipe, per_epoch: int, data: str, *places: Position) -> None:
        """Warn of a warm-up that does not end, and of looks that are not taken."""
        total, warmup = recipe.total_steps(per_epoch), recipe.steps_of_warmup(per_epoch)
        if not total:
            return
        key = "warmup_epochs" if recipe.warmup_steps is None else "warmup_steps"
        if warmup >= total:
            message = (
                f"{warmup:,} steps of warm-up leave none of the {total:,} steps on {data} at the full learning rate"
            )
            self._warn(key, message, *places)
        if late := [look for look in recipe.looks or () if look > total]:
            steps = ", ".join(f"{look:,}" for look in late)
            message = f"looks that will not come: {steps}, as training on {data} takes {total:,} steps"
            self._warn("looks", message, *places)

    def _check_idle(self, key: str, instead: str, recipe: Recipe, *places: Position) -> None:
        """Warn of a key that says nothing, as another one stands `instead` of it: where it was said after that one."""
        value, of_key, of_other = getattr(recipe, instead), self._said(key, *places), self._said(instead, *places)
        if value is not None and of_key and (not of_other or of_key >= of_other):
            message = f"does nothing beside {instead}: {value}, which stands instead of it; give {instead}"
            self._warn(key, message, *places)

    def _said(self, key: str, *places: Position) -> tuple[int, bool] | None:
        """The last of the places that has a key, and whether a `--set` gave it; None for none."""
        source = self.suite.source
        present = [(n, source.is_set((*place, key))) for n, place in enumerate(places) if (*place, key) in source]
        return present[-1] if present else None

    def _warn(self, key: str, message: str, *places: Position) -> None:
        self.warnings[self.suite.source.problem(self._position(key, *places), message)] = None

    def _position(self, key: str, *places: Position) -> Position:
        """Where the suite says `key`: the last of the places that has it, or names a recipe; else the first place."""
        source = self.suite.source
        positions = [(*place, k) for place in places for k in ("recipe", key) if (*place, k) in source]
        return positions[-1] if positions else places[0]

"""Whether the data sets of a suite can be trained on as its recipes say."""

from bench.recipes.recipe import Recipe
from bench.suite import DataEntry, Suite

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
            self.warnings[self.suite.source.problem(self._position("batch_size", *places), message)] = None

    def _position(self, key: str, *places: Position) -> Position:
        """Where the suite says `key`: the last of the places that has it, or names a recipe; else the first place."""
        source = self.suite.source
        positions = [(*place, k) for place in places for k in ("recipe", key) if (*place, k) in source]
        return positions[-1] if positions else places[0]

"""Recipes of a suite: what it says, over what that changes."""

from pydantic import ValidationError

from bench.recipes.named import expand
from bench.recipes.recipe import Recipe
from bench.suite.problems import KeyPath, Source
from bench.suite.schema import Changes


def merged(base: Recipe, changes: Changes, source: Source, at: KeyPath) -> Recipe:
    """`base` with the changes that the suite says at the key `at`. Raises SuiteError where they do not go together."""
    try:
        return base.merged(expand(changes.as_mapping()))
    except ValidationError as error:
        raise source.invalid(at, error, Recipe) from None

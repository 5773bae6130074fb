"""Words that messages and reports share."""

import difflib
from collections.abc import Callable, Iterable, Sequence

MOST = 6  # in a sentence; tables have all


def listed(words: Sequence[str]) -> str:
    """Return words as a sentence lists them: "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def few(words: Sequence[str], most: int = MOST, whole: Callable[[Sequence[str]], str] = ", ".join) -> str:
    """Return the first words and how many there are besides: "a, b and 3 more"; all, as `whole` writes them, where no
    more than one would be left out."""
    left = len(words) - most
    return whole(words) if left <= 1 else f"{', '.join(words[:most])} and {left} more"


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean ...?` with the nearest of what is valid; empty where nothing is near."""
    near = difflib.get_close_matches(name, list(valid), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""

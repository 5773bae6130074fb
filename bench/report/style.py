"""One fixed look per method label everywhere: colour by method, marker, dash and shade by label.

Colours are from seaborn's "colorblind" palette and Tol's "muted"; shapes and dashes carry the same information, so
that a grey print is still readable. Nothing here needs matplotlib.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

# The first methods of the benchmark; later and outside ones are placed by a hash of their name.
FIXED = {
    "random": ("#5a5a5a", "o"),
    "weight_selection": ("#de8f05", "s"),
    "sws": ("#029e73", "^"),
    "mixture_growth": ("#cc78bc", "D"),
    "wave": ("#0173b2", "v"),
}
COLOURS = ("#d55e00", "#882255", "#56b4e9", "#999933", "#332288", "#ca9161", "#117733", "#cc6677")
MARKERS = ("P", "X", "<", ">", "p", "*", "d", "o", "s", "^", "v", "D")
DASHES = ("--", ":", "-.")
SALT = "5252"  # before a method's name: with it no colour has more than four of the methods below
# They take their looks before all others: a later method changes none of theirs, and needs no other SALT.
SETTLED = {
    *FIXED,
    "depth_map", "heur_lg", "auto_lg", "hypercloning", "lemon", "bert2bert", "net2net", "pruning", "subcloning",
    "pca", "tleg", "fine", "lets", "ligo", "front", "bot", "merge", "supernet", "cluster_learngene", "mimetic",
    "impulse", "conditioned", "dct_attention", "lsuv", "scrambled",
}  # fmt: skip
PART_LOOKS = {  # colour and hatch of the parts of a cost: no method's colours
    "ancestor": ("#c8c8c8", "////"),
    "learngene": ("#3b3b3b", ""),
    "tuning": ("#a6761d", "xxxx"),
    "init": ("#f0e442", "...."),
    "train": ("#8f8f8f", "\\\\\\\\"),
}


@dataclass(frozen=True)
class Look:
    """How one label is drawn. A variant (a label that is not its method's name) has a hollow marker and a dash."""

    colour: str
    marker: str
    dash: str = "-"
    hollow: bool = False


def looks(uses: Mapping[str, str]) -> dict[str, Look]:
    """Return label -> look, for labels and the methods behind them. The same label looks the same in every report, but
    where two labels of one report would look alike: then the later one takes the next free look. First come the settled
    methods, then their variants, then other methods and theirs, each by the alphabet."""
    chosen: dict[str, Look] = {}
    for label in sorted(uses, key=lambda label: (uses[label] not in SETTLED, label != uses[label], label)):
        choices = _choices(label, uses[label])
        taken = [look for look in chosen.values() if look.colour == choices[0].colour or label == uses[label]]
        shapes = {look.marker for look in taken}
        free = [look for look in choices if look not in taken] or choices
        chosen[label] = next((look for look in free if look.marker not in shapes), free[0])
    return {label: chosen[label] for label in uses}


def _choices(label: str, use: str) -> list[Look]:
    """All looks that a label may have, the preferred one first."""
    if label == use and use in FIXED:
        return [Look(*FIXED[use])]
    if label == use:
        every = [Look(colour, marker) for marker in MARKERS for colour in COLOURS]
    else:
        colour = FIXED[use][0] if use in FIXED else COLOURS[_hash(SALT + use) % len(COLOURS)]
        every = [Look(colour, marker, dash, hollow=True) for dash in DASHES for marker in MARKERS]
    start = _hash(SALT + label if label == use else label) % len(every)
    return every[start:] + every[:start]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])

"""Whether the heads of ancestors from elsewhere can transfer as methods wish, as far as a plan can tell."""

import re

from bench.suite import AncestorEntry, DataEntry, Suite
from bench.suite.ancestor_source import own_facts
from bench.suite.timm_models import lookup

SYNSET = re.compile(r"n\d{8}")  # a class of ImageNet, as its folders are named


def unknown_head(suite: Suite, entry: AncestorEntry, data: DataEntry) -> str | None:
    """What to warn of where the head of an ancestor stays behind only since its classes are not known; else None.

    A head is known to be of the data set's classes where the ancestor is trained here, the suite says `classes: same`,
    a file of this project says so, or ImageNet's synsets are the classes of both; see `bench.jobs.parts.pretrained`.
    """
    weights = entry.model.keys() & {"timm", "checkpoint"}
    if not weights or entry.recipe is not None or entry.classes or _known(entry, data):
        return None
    unknown = f"its classes are not known to be those of {data.name}, so head: transfer leaves a fresh head"
    way_out = "expected classes: same, if they are the same in the same order, or head: fresh of the methods"
    return suite.source.problem(entry.position[:-1], f"{unknown}; {way_out}")


def _known(entry: AncestorEntry, data: DataEntry) -> bool:
    """Whether the head will transfer, or cannot: then nothing that the suite could say would change it."""
    classes = data.description.classes
    if entry.data is not None and entry.data.description.classes != classes:
        return True
    if "timm" not in entry.model:
        facts = own_facts(entry.model["checkpoint"])
        return facts is not None and facts["classes"] == data.description.class_id
    if "checkpoint" in entry.model:
        return False
    model = lookup(entry.model["timm"])
    return model.classes != len(classes) or all(map(SYNSET.fullmatch, classes))

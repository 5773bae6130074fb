"""Looks of labels: fixed, different, and the same in every report."""

from collections import Counter

import pytest

from bench.report.style import FIXED, SETTLED, looks
from methods import registry


def test_looks_are_fixed_and_differ():
    plain_look = looks({"wave": "wave"})["wave"]
    assert (plain_look.colour, plain_look.marker, plain_look.hollow) == (*FIXED["wave"], False)
    uses = {name: name for name in FIXED} | {f"wave{i}": "wave" for i in range(20)}
    uses |= {f"own{i}": f"pack:Own{i}" for i in range(10)} | {"tleg": "tleg"}
    many = looks(uses)
    assert len(set(many.values())) == len(uses)
    assert many["wave"] == plain_look
    assert {many[f"wave{i}"].colour for i in range(20)} == {plain_look.colour}  # variants keep their method's colour


def test_the_methods_that_ship_share_no_colour_with_many():
    many = looks({name: name for name in SETTLED})
    assert max(Counter(look.colour for look in many.values()).values()) <= 4
    assert set(registry.names()) >= SETTLED


@pytest.mark.parametrize("new", ["aardvark", "zebra", "pack:Own"])
def test_a_new_method_changes_no_look_of_those_that_ship(new):
    shipped = {name + variant: name for name in SETTLED for variant in ("", "_fresh")}
    beside = looks({new: new, f"{new}_fresh": new} | shipped)
    assert {label: beside[label] for label in shipped} == looks(shipped)


def test_a_label_looks_the_same_in_every_report():
    alone = looks({"wave_fresh": "wave"})["wave_fresh"]
    assert looks({"random": "random", "wave": "wave", "wave_fresh": "wave"})["wave_fresh"] == alone

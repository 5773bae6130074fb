"""What a method stores against one model per size, and who needs a teacher besides."""

import math

import pytest

from bench.report.tables.costs import storage
from tests.bench.report.report_frames import analysed


def test_storage_against_one_model_per_size(make_frames):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2, 4))
    costs = analysed(runs, curves)[2].set_index("method")
    params = runs.drop_duplicates("target")["params"].sum()
    assert costs.loc["wave", ["stored_params", "models_params", "models_bytes"]].tolist() == [
        40_000,
        params,
        4 * params,
    ]
    assert costs.loc["wave", "storage_ratio"] == pytest.approx(params / 40_650)
    assert math.isnan(costs.loc["random", "storage_ratio"])


TAUGHT, UNTAUGHT = '{"runs":{"distill":{"kl":1.0}}}', '{"runs":{"distill":null}}'


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        # by its own recipe, whether or not it has an ancestor by itself
        ({"random": {"options": TAUGHT, "ancestor": "t"}}, ["random"]),
        ({"weight_selection": {"options": '{"runs":{"distill":{}}}'}}, ["weight_selection"]),
        # by the suite's: random reads no ancestor, so what it counts is its teacher; what says otherwise has none
        ({"random": {"ancestor": "t"}}, ["random", "weight_selection", "wave"]),
        ({"random": {"ancestor": "t"}, "wave": {"options": UNTAUGHT}}, ["random", "weight_selection"]),
        # the method itself uses the teacher: then it is its ancestor, and what it stores of it is counted
        ({"random": {"ancestor": "t", "needs": "images+teacher"}}, []),
        ({"random": {"options": "damaged"}}, []),
    ],
)  # fmt: skip
def test_what_is_distilled_needs_its_teacher_at_every_size(make_frames, changes, expected):
    runs, curves = make_frames(methods=("random", "weight_selection", "wave"), depths=(2, 4))
    for method, columns in changes.items():
        runs.loc[runs["method"] == method, list(columns)] = list(columns.values())
    section, _, costs = analysed(runs, curves)
    assert section.distilled == expected
    table = storage(section, costs)
    ratios = {row[0].text: row[-1].text for row in table.rows}
    assert ratios["random"] == "stores nothing" + (", needs its teacher" if "random" in expected else "")
    assert [method for method, text in ratios.items() if text.endswith(", needs its teacher")] == expected
    assert len(table.notes) == bool(expected)
    assert costs.set_index("method").loc["random", "stored_params"] == 0

"""Of many labels: which come first, and how they stand together in tables."""

import json

import numpy as np
import pandas as pd
import pytest

from bench.report.analysis.leading import MOST, LabelGroup, groups, leading
from bench.report.analysis.sections import sections
from bench.report.analysis.summary import summarise
from tests.bench.report.report_frames import make

# label -> (method, accuracy, what it controls for)
LABELS = {f"wave_{i}": ("wave", 70.0 + i, "") for i in range(4)}
LABELS |= {f"sws_{i}": ("sws", 54.0 + 5 * i, "") for i in range(6)}  # its best is better than wave's
LABELS |= {"random": ("random", 5.0, ""), "random_moco": ("random", 90.0, "")}
LABELS |= {f"merge_{i}": ("merge", 20.0 + i, "") for i in range(3)}
LABELS |= {
    "untrained": ("wave", 99.0, "maps never trained"),
    "tleg": ("tleg", 72.5, ""),
    "strangers": ("merge", 98.0, "x"),
}


def section_of(labels, families=""):
    """One size and seed; a label of no accuracy has no finished run."""
    runs, _ = make(methods=labels, depths=(2,), seeds=1)
    runs["families"] = families
    runs["method_use"], runs["top1"], runs["control"] = ([labels[m][i] for m in runs["method"]] for i in range(3))
    runs.loc[runs["top1"].isna(), "status"] = "skipped"
    (section,) = sections(runs)
    return section, summarise(section)


def test_labels_stand_with_the_others_of_their_method():
    section, summary = section_of(LABELS)
    first = leading([section], summary)
    assert first == [
        *("random_moco", "sws_5", "sws_4", "wave_3", "tleg", "wave_2", "wave_1", "wave_0", "sws_3", "sws_2", "sws_1"),
        *("sws_0", "merge_2", "random", "untrained", "strangers"),
    ]
    assert groups(section, first, summary) == [
        LabelGroup("sws", ["sws_5", "sws_4", "sws_3", "sws_2", "sws_1", "sws_0"], 6),
        LabelGroup("wave", ["wave_3", "wave_2", "wave_1", "wave_0"], 4),
        LabelGroup("", ["tleg"], 1),
        LabelGroup("merge", ["merge_2", "merge_1", "merge_0"], 1),
        LabelGroup("random", ["random_moco", "random"], 2),  # after the others, whatever its best is
        LabelGroup("controls", ["untrained", "strangers"], 2),
    ]


def test_what_comes_first_is_before_the_rest_of_its_group():
    section, summary = section_of(LABELS)
    found = groups(section, ["random", "strangers", "wave_0"], summary)
    assert found[1] == LabelGroup("wave", ["wave_0", "wave_3", "wave_2", "wave_1"], 1)
    assert found[3:] == [
        LabelGroup("merge", ["merge_2", "merge_1", "merge_0"], 0),
        LabelGroup("random", ["random", "random_moco"], 1),
        LabelGroup("controls", ["strangers", "untrained"], 1),
    ]


@pytest.mark.parametrize("number", [MOST, MOST + 1])
def test_few_labels_stand_in_no_groups(number):
    section, summary = section_of(dict(list(LABELS.items())[:number]))
    first = leading([section], summary)
    assert len(first) == MOST
    assert bool(groups(section, first, summary)) == (number > MOST)


def test_labels_without_results_stand_last():
    section, summary = section_of(LABELS | {"sws_5": ("sws", np.nan, ""), "tleg": ("tleg", np.nan, "")})
    assert groups(section, leading([section], summary), summary)[:4] == [
        LabelGroup("sws", ["sws_4", "sws_3", "sws_2", "sws_1", "sws_0", "sws_5"], 5),
        LabelGroup("wave", ["wave_3", "wave_2", "wave_1", "wave_0"], 4),
        LabelGroup("merge", ["merge_2", "merge_1", "merge_0"], 3),
        LabelGroup("", ["tleg"], 0),
    ]
    section, summary = section_of({label: (use, np.nan, control) for label, (use, _, control) in LABELS.items()})
    found = groups(section, leading([section], summary), summary)
    assert sorted(label for group in found for label in group.labels) == sorted(LABELS)


def test_what_declared_families_are_against_is_never_left_out():
    """A picture without the start that methods are tested against would show them beside a weaker one."""
    against = ["random_moco", "merge_0", "untrained"]
    families = {f"to_{label}": {"against": label, "labels": ["tleg", "sws_0"]} for label in against}
    labels = LABELS | {"random_moco": ("random", 6.0, "")}
    section, summary = section_of(labels, json.dumps(families))
    first = leading([section], summary)
    assert first[-4:] == ["random_moco", "untrained", "strangers", "merge_0"]
    assert len(first) == MOST and "random" not in first
    section, summary = section_of(labels)
    assert not {"random_moco", "merge_0"} & set(leading([section], summary))


def test_groups_are_of_a_section_and_places_of_the_suite():
    """A data set that has few labels of the suite's shows them all where they all come first."""
    many, few = (section_of(labels) for labels in (LABELS, {"random": LABELS["random"], "wave_3": LABELS["wave_3"]}))
    summary = pd.concat([many[1], few[1].assign(dataset="letters")])
    first = leading([many[0], few[0]], summary)
    assert groups(many[0], first, summary) and not groups(few[0], first, summary)

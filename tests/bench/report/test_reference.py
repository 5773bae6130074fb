"""Sentences about the reference results are those of the committed tables: each number and comparison has a tag.

A tag `<!-- from: FILE column=value ... -->` stands after its sentence. Columns of words choose one row of the file (of
comparisons.csv that over all targets, unless it names one); `difference`, `verdict` and numbers are what the sentence
says of it.
"""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import yaml

from bench.report import read_runs
from bench.report.analysis.comparisons import compare
from bench.report.analysis.sections import sections
from bench.report.format import si

REFERENCE = Path(__file__).parents[3] / "results/reference"
TAG = re.compile(r"<!-- from: (.*?) -->", re.S)
KEYS = {"method_a", "method_b", "family", "method", "unit", "ancestor", "target", "dataset"}
COMPARATIVE = r"\b(ahead|behind|better|worse|level|fewer|more|less|cheaper|dearer|highest|lowest|best|most accurate)\b"
NUMBER = r"[+-]?\d+(?:\.\d+)?(?: ± \d+(?:\.\d+)?)?"


PAGES = {  # page -> its section whose sentences compare
    REFERENCE / "README.md": "## What these numbers show\n",
    REFERENCE / "study.md": "## What it shows\n",
    REFERENCE.parents[1] / "README.md": "## The answer so far\n",
}


def tagged(text):
    """(sentence, its tags) pairs of the section that compares; the last one is what follows without a tag."""
    (heading,) = (heading for heading in PAGES.values() if heading in text)
    body = text.partition(heading)[2].partition("\n## ")[0].partition("\n* ")[2]
    parts = re.split(r"((?:<!-- from: .*?-->\s*)+)", body, flags=re.S)
    return [(said, TAG.findall(tags)) for said, tags in zip(parts[::2], [*parts[1::2], ""], strict=True)]


def value(row, column):
    if column == "difference":
        return f"{row['difference']:+.2f} ± {(row['high'] - row['low']) / 2:.2f}"
    return str(row[column]) if isinstance(row[column], str) else si(row[column])


def cells(line):
    """Those of a line of a table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def rounded(value, low, high, sign=""):
    """As tables show a value and half of its interval."""
    return f"{value:{sign}.1f} ± {(high - low) / 2:.1f}"


def problems(text):
    """What is wrong with the sentences of a README beside the committed tables."""
    wrong = []
    for said, tags in tagged(text):
        claimed = []
        for tag in tags:
            file, *words = shlex.split(tag)
            pairs = dict(word.split("=", 1) for word in words)
            rows = pd.read_csv(REFERENCE / file)
            over_all = file.endswith("comparisons.csv") and "target" not in pairs
            rows = rows[rows["target"] == "all targets"] if over_all else rows
            for key in pairs.keys() & KEYS:
                rows = rows[rows[key] == pairs[key]]
            assert len(rows) == 1, tag
            for column in pairs.keys() - KEYS:
                expected = value(rows.iloc[0], column)
                wrong += [] if pairs[column] == expected else [f"{tag}: {column} is {expected}"]
                claimed.append(expected)
                verdict = column == "verdict" and file.endswith("comparisons.csv")
                wrong += (
                    [] if expected in said or (verdict and re.search(expected, said)) else [f"not said: {expected}"]
                )
        numbers = {number for text in claimed for number in re.findall(NUMBER, text)}
        wrong += [
            f"without a tag: {number}" for number in re.findall(NUMBER, " ".join(said.split())) if number not in numbers
        ]
        wrong += [f"without a tag: {said}"] if not tags and re.search(COMPARATIVE, said) else []
    return wrong


@pytest.fixture(scope="module")
def readme():
    return (REFERENCE / "README.md").read_text()


@pytest.mark.parametrize(("page", "least"), list(zip(PAGES, (9, 7, 4), strict=True)))
def test_every_sentence_agrees_with_its_rows(page, least):
    text = page.read_text()
    assert len([tags for _, tags in tagged(text) if tags]) >= least
    assert problems(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("by +4.05 ± 0.78", "by +5.05 ± 0.78"),  # a number of a sentence
        ('difference="+4.05 ± 0.78"', 'difference="+5.05 ± 0.78"'),  # of a tag
        ("verdict=ahead", "verdict=open"),
        ("\n\n## What they", "\n* wave is ahead of sws.\n\n## What they"),  # a comparative without a tag
        ("mixture_growth from 2 sizes", "mixture_growth from 1 size"),
    ],
)
def test_what_was_edited_is_noticed(readme, old, new):
    assert old in readme
    assert problems(readme.replace(old, new, 1))


@pytest.mark.parametrize("suite", ["digits_reference_depth", "digits_reference_width"])
def test_committed_comparisons_are_those_of_the_committed_runs(suite):
    (section,) = sections(read_runs(REFERENCE / suite / "runs.csv"))
    committed = pd.read_csv(REFERENCE / suite / "comparisons.csv", keep_default_na=False)
    computed = compare(section)
    assert committed["verdict"].tolist() == computed["verdict"].tolist()
    for name in ("difference", "p_holm"):
        assert pd.to_numeric(committed[name]).tolist() == pytest.approx(computed[name].tolist(), abs=1e-9, nan_ok=True)


def test_claims_that_do_not_follow_are_gone(readme):
    for words in ("level with all", "no method differs from it", "none of it at 95%", "all pairs of a suite"):
        assert words not in readme


def test_the_table_of_the_atlas_is_that_of_its_summaries():
    sizes = {"atlas_depth": ("L3-d64", "L12-d64"), "atlas_width": ("L6-d32", "L6-d128")}
    columns = [(suite, target) for suite, targets in sizes.items() for target in targets]
    said, expected = {}, {}
    for line in (REFERENCE / "atlas.md").read_text().splitlines():
        name, *row = cells(line)
        for column, cell in zip(columns, row, strict=False):
            if len(row) == len(columns) and re.fullmatch(r"cannot|[\d.]+ ± [\d.]+", cell):
                said[name, *column] = cell
    for suite in sizes:
        for row in pd.read_csv(REFERENCE / suite / "summary.csv").itertuples():
            assert row.n in (0, 5)
            found = rounded(row.top1_mean, row.top1_low, row.top1_high)
            expected[row.method, suite, row.target] = found if row.n else "cannot"
    assert said == expected


STUDY = [path.name for path in sorted(REFERENCE.glob("t[1-5]_*"))]  # the suites of the protocol that are done


@pytest.mark.parametrize("suite", STUDY)
def test_a_suite_of_the_study_is_whole_and_its_verdicts_follow(suite):
    runs = read_runs(REFERENCE / suite / "runs.csv.gz")
    done = runs[runs["status"] == "done"]
    assert set(runs["status"]) <= {"done", "skipped"} and not done["git_dirty"].astype(bool).any()
    assert done["git_sha"].nunique() == done["device_name"].nunique() == 1
    keys = ["dataset", "family", "target", "method_a", "method_b", "verdict"]
    tuning = yaml.safe_load((REFERENCE.parents[1] / f"suites/study/{suite}.yaml").read_text())["tune"]["seeds"]
    others = runs[~runs["seed"].isin(range(len(tuning)))]  # those whose ancestors tuning runs do not start from
    for file, chosen in (("comparisons.csv", runs), ("without_tuning_seeds.csv", others)):
        committed = pd.read_csv(REFERENCE / suite / file, keep_default_na=False)
        computed = pd.concat([compare(section) for section in sections(chosen.reset_index(drop=True))])
        computed = computed[computed["family"].isin(set(committed["family"]))]
        assert committed[keys].values.tolist() == computed[keys].values.tolist()
        for name in ("difference", "p_holm", "p_equivalence_holm"):
            ours = pd.to_numeric(committed[name]).tolist()
            assert ours == pytest.approx(computed[name].tolist(), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("suite", STUDY)
def test_the_table_of_the_study_is_that_of_its_summary(suite):
    section = (REFERENCE / "study.md").read_text().partition(f"\n## {suite}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and " ± " in line]
    said = {name: (stored, flops, row) for name, stored, flops, _, *row in map(cells, lines)}
    summary, cost = (pd.read_csv(REFERENCE / suite / f"{name}.csv") for name in ("summary", "cost"))
    expected = {}
    for row in cost.groupby("method").max().reset_index().itertuples():  # of several data sets the dearest
        of_label = [
            rounded(mean, low, high) if n else "cannot"
            for n, mean, low, high in summary.loc[
                summary["method"] == row.method, ["n", "top1_mean", "top1_low", "top1_high"]
            ].itertuples(index=False)
        ]
        expected[row.method] = (si(row.stored_params), si(row.flops_total_without_tuning), of_label)
    assert said == expected


CORE = {  # columns of the tables of standing
    "few labels, digits up": "t3_digits_up",
    "few labels, digits down": "t3_digits_down",
    "few labels, glyphs": "t3_glyphs",
    "few labels, mnist": "t4_mnist_up",
    "few labels, mnist to digits": "t5_mnist_to_digits",
    "same images, depth": "t1_glyphs_depth",
    "same images, width": "t2_glyphs_width",
}
BESIDE = {"floor": "random_moco", "scale": "moments"}  # what a group of rows is beside, by the family that it names
MARKED = {"ahead": "**{}**", "behind": "*{}*", "open": "{}", "level": "{} (level)"}


def standings(text):
    """(larger than the ancestor, family, label, suite) -> cell, of the tables of standing on a page."""
    stand, columns, beyond, family = {}, [], False, ""
    for line in text.splitlines():
        name, *row = cells(line)
        if name in ("smaller than the ancestor", "larger than the ancestor"):
            beyond, columns = name.startswith("larger"), [CORE[title] for title in row]
        elif found := re.search(r"\(`(floor|scale)`\)\*$", name):
            family = found[1]
        elif not line.startswith("|"):
            columns = []
        elif len(row) == len(columns) and any(row) and not name.startswith(":"):
            stand |= {(beyond, family, name, suite): cell for suite, cell in zip(columns, row, strict=True)}
    return stand


@pytest.mark.parametrize(("page", "beyond"), [("README.md", {False}), ("results/reference/study.md", {False, True})])
def test_where_the_labels_stand_is_what_the_comparisons_say(page, beyond):
    stand = standings((REFERENCE.parents[1] / page).read_text())
    expected, done = {}, [suite for suite in CORE.values() if suite in STUDY]
    for suite in done:
        rows = pd.read_csv(REFERENCE / suite / "comparisons.csv").query("target == 'all targets'")
        for row in rows.itertuples():
            family, _, more = row.family.partition("_")
            if BESIDE.get(family) == row.method_b and row.method_a != "permuted" and bool(more) in beyond:
                text = rounded(row.difference, row.low, row.high, "+")
                expected[bool(more), family, row.method_a, suite] = MARKED[row.verdict].format(text)
    assert {suite for *_, suite in stand} == set(done)
    assert {key: cell for key, cell in stand.items() if cell != "cannot"} == expected


def test_three_seeds_rank_nothing_on_the_front_page():
    text = (REFERENCE.parents[1] / "README.md").read_text()
    said = text.partition("The ancestor has 302 k")[2].partition("\n## ")[0]
    assert "rank nothing" in said and not re.search(COMPARATIVE, said.replace("fewer than five seeds", ""))

"""Sentences about the reference results are those of the committed tables: each number and comparison has a tag.

A tag `<!-- from: FILE column=value ... -->` stands after its sentence. Columns of words choose one row of the file (of
comparisons.csv that over all targets, unless it names one); `difference`, `verdict` and numbers are what the sentence
says of it. Wherever a page says that a label is ahead of, behind, level with or open against another, a tag of that
verdict stands in the same point.

What else the pages say (intros, tables, notes, which way a comparison goes) is held by golden/said.json: a digest of
each section. An edit fails until it was compared with its rows and `python -m tests.bench.report.test_reference` has
written the file anew, which it does where tags and rows agree.
"""

import json
import re
import shlex
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import yaml

from bench.identity import digest
from bench.report import read_runs
from bench.report.analysis.comparisons import compare
from bench.report.analysis.sections import sections
from bench.report.format import si

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "results/reference"
GOLDEN = Path(__file__).parent / "golden" / "said.json"
ANEW = "compare what was edited with its rows, then `python -m tests.bench.report.test_reference` writes said.json anew"
TAG = re.compile(r"<!-- from: (.*?) -->", re.S)
KEYS = {"method_a", "method_b", "family", "method", "unit", "ancestor", "target", "dataset"}
COMPARATIVE = r"\b(ahead|behind|better|worse|level|fewer|more|less|cheaper|dearer|highest|lowest|best|most accurate)\b"
NUMBER = r"[+-]?\d+(?:\.\d+)?(?: ± \d+(?:\.\d+)?)?"
RESULT = r"±|\d ?%|<!-- from: |\b(top-1|points|ahead of|behind)\b"  # what only sections with results have

PAGES = {  # page -> its sections whose sentences compare
    REFERENCE / "README.md": ("## What a reader may take home\n", "## What these numbers show\n"),
    REFERENCE / "study.md": ("## What it shows\n",),
    ROOT / "README.md": ("## The answer so far\n",),
}


def headed(text):
    """(heading, what stands under it up to the next one) pairs of a page."""
    before, *parts = re.split(r"^(#{1,3} .*\n)", text, flags=re.M)
    assert not before and len(set(parts[::2])) == len(parts[::2]), "a heading comes first, and none comes twice"
    return list(zip(parts[::2], parts[1::2], strict=True))


def says_results(page, body):
    """Whether a section is held: all of the pages of results, of the front page those with results."""
    return page.is_relative_to(REFERENCE) or bool(re.search(RESULT, body))


def said_by(page, text):
    """heading -> digest of what stands under it, however its lines are wrapped."""
    found = [(heading, body) for heading, body in headed(text) if says_results(page, body)]
    return {heading.strip(): digest(" ".join(body.split())) for heading, body in found}


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def edited(page, text):
    """The sections, each with its page, that are not as they were when said.json was written."""
    then, now = json.loads(GOLDEN.read_text())[name_of(page)], said_by(page, text)
    return [f"{name_of(page)}, {heading}" for heading in {**then, **now} if then.get(heading) != now.get(heading)]


@cache
def table(file):
    """One of the committed tables."""
    return pd.read_csv(REFERENCE / file)


@cache
def rows_of(table, file):
    """The rows of what `table` says that a file is, which some hundred tags each choose one of."""
    return table(file).to_dict("records")


@cache
def row_of(tag):
    """(file, column -> value) of a tag."""
    file, *words = shlex.split(tag)
    return file, dict(word.split("=", 1) for word in words)


def tagged(text):
    """(sentence, its tags) pairs of the sections that compare; the last of each is what follows without a tag."""
    said = []
    for heading in (heading for headings in PAGES.values() for heading in headings if heading in text):
        body = text.partition(heading)[2].partition("\n## ")[0].partition("\n* ")[2]
        parts = re.split(r"((?:<!-- from: .*?-->\s*)+)", body, flags=re.S)
        said += zip(parts[::2], map(TAG.findall, [*parts[1::2], ""]), strict=True)
    return said


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


@cache
def claim():
    """A sentence that sets one label beside another, anywhere on a page."""
    labels = {name for file in REFERENCE.glob("*/summary.csv") for name in pd.read_csv(file)["method"]}
    label = "|".join(sorted(map(re.escape, labels), key=len, reverse=True))
    return re.compile(rf"\b({label})`? (?:is|are) (ahead of|behind|level with|open against) `?({label})\b")


def untagged_claims(text):
    """Claims without a tag of theirs in the same point or paragraph, of these labels or of variants of them."""
    wrong, turned = [], {"ahead": "behind", "behind": "ahead"}
    for block in re.split(r"\n(?=\* )|\n\n", text):
        tags = [pairs for file, pairs in map(row_of, TAG.findall(block)) if "verdict" in pairs and "method_b" in pairs]
        rows = [(tag["method_a"], tag["method_b"], tag["verdict"]) for tag in tags]
        rows += [(b, a, turned.get(verdict, verdict)) for a, b, verdict in rows]
        for found in claim().finditer(" ".join(TAG.sub("", block).split())):
            a, verdict, b = found[1], found[2].split()[0], found[3]
            if not any(x.startswith(a) and y.startswith(b) and v == verdict for x, y, v in rows):
                wrong.append(f"without a tag: {found[0]}")
    return wrong


def problems(text, table=table):
    """What is wrong with the sentences of a page beside the committed tables."""
    wrong = untagged_claims(text)
    for said, tags in tagged(text):
        claimed, unnamed = [], " ".join(said.split())
        for tag in tags:
            file, pairs = row_of(tag)
            over_all = file.endswith("comparisons.csv") and "target" not in pairs
            chosen = {key: pairs[key] for key in pairs.keys() & KEYS} | ({"target": "all targets"} if over_all else {})
            for name in pairs.keys() & KEYS:
                unnamed = unnamed.replace(pairs[name], "")  # a name may have a number in it, as net2net
            rows = [row for row in rows_of(table, file) if all(row[key] == name for key, name in chosen.items())]
            assert len(rows) == 1, tag
            for column in pairs.keys() - KEYS:
                expected = value(rows[0], column)
                wrong += [] if pairs[column] == expected else [f"{tag}: {column} is {expected}"]
                claimed.append(expected)
                verdict = column == "verdict" and file.endswith("comparisons.csv")
                wrong += (
                    [] if expected in said or (verdict and re.search(expected, said)) else [f"not said: {expected}"]
                )
        numbers = {number for text in claimed for number in re.findall(NUMBER, text)}
        wrong += [f"without a tag: {number}" for number in re.findall(NUMBER, unnamed) if number not in numbers]
        wrong += [f"without a tag: {said}"] if not tags and re.search(COMPARATIVE, said) else []
    return wrong


@cache
def heads(suite):
    """label -> "transferred" or "fresh"; nothing for labels that have no head to transfer and withhold none."""
    (file,) = (REFERENCE / suite).glob("runs.csv*")
    runs = pd.read_csv(file, usecols=["method", "status", "head", "stored_params_head"])
    runs = runs[runs["status"] == "done"]
    stored = runs[(runs["head"] == "transfer") & (runs["stored_params_head"] > 0)]["method"]
    fresh = runs[runs["head"] == "fresh"]["method"]
    return dict.fromkeys(stored, "transferred") | dict.fromkeys(fresh, "fresh")


def mixed_heads(text):
    """Tags that compare a fresh head with a transferred one, where the sentence does not name both."""
    wrong = []
    for said, tags in tagged(text):
        sentences = re.split(r"(?<=\.)\**\s", " ".join(said.split()))
        for file, pairs in map(row_of, tags):
            suite, _, name = file.partition("/")
            of_both = {heads(suite).get(pairs[key]) for key in ("method_a", "method_b") if name == "comparisons.csv"}
            of_tag = [sentence.lower() for sentence in sentences if pairs.get("difference", "") in sentence]
            named = [sentence for sentence in of_tag if "fresh" in sentence and "transferred" in sentence]
            wrong += [pairs] if of_both == {"fresh", "transferred"} and not named else []
    return wrong


ANSWERS = {ROOT / "README.md": "## The answer so far\n", REFERENCE / "README.md": "## What a reader may take home\n"}


def unnamed_families(text):
    """(point, family) pairs: families of the study's tests that a point's tags are of and that it does not name."""
    missing = []
    for point in text.split("\n* ")[1:]:
        said, head = TAG.sub("", point), " ".join(point.split())[:60]
        of_tags = [row_of(tag) for tag in TAG.findall(point)]
        used = {pairs["family"] for file, pairs in of_tags if file.startswith("t") and "family" in pairs}
        missing += [(head, family) for family in sorted(used) if f"`{family}`" not in said]
    return missing


@pytest.mark.parametrize("page", ANSWERS, ids=name_of)
def test_each_point_of_the_answer_names_the_families_of_its_tests(page):
    body = page.read_text().partition(ANSWERS[page])[2].partition("\n## ")[0]
    assert unnamed_families(body) == []
    assert unnamed_families(body.replace("`methods`", "methods"))


@pytest.fixture(scope="module")
def readme():
    return (REFERENCE / "README.md").read_text()


@pytest.mark.parametrize(("page", "least"), list(zip(PAGES, (20, 7, 10), strict=True)))
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
        # beside a sentence that has a tag, and where nothing else has one
        ("Suites of digits share images", "On mnist weight_selection is ahead of sws. Suites of digits share images"),
        ("# Reference results\n", "# Reference results\n\nOn mnist sws is ahead of wave.\n"),
        ("weight_selection is\n  behind mixture_growth", "weight_selection is\n  ahead of mixture_growth"),
    ],
)
def test_what_was_edited_is_noticed(readme, old, new):
    assert old in readme
    assert problems(readme.replace(old, new, 1))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_section_is_as_it_was_when_it_was_compared_with_its_rows(page):
    assert not (found := edited(page, page.read_text())), f"{found}: {ANEW}"


EDITS = {
    "a comparison is turned round": (r"\bahead\b", "behind"),
    "it is another's": (r"\bwave\b", "sws"),
    "of least is made most": (r"\bleast\b", "most"),
    "of none is made all": (r"\b(no|none)\b", "every"),
    "of some is made all": (r"\bonly ", ""),
    "a number": (r"\d", lambda digit: str((int(digit[0]) + 1) % 10)),
    "a cell of a table": (r"(?<=\| )\d\d\.\d ±", "99.9 ±"),
    "a verdict of a table": (r"\*\*([+-].*?)\*\*", r"\1"),
    "a tag less": (r"<!-- from: .*? -->\n", ""),
    "a sentence more": (r"$", "\nsws is the best."),
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_is_noticed_wherever_it_is(kind):
    found, expected = [], []
    for page in PAGES:
        text = ""
        for heading, body in headed(page.read_text()):
            other = re.sub(*EDITS[kind], body, count=1)
            changed = says_results(page, body) and other != body
            expected += [f"{name_of(page)}, {heading.strip()}"] if changed else []
            text += heading + other
        found += edited(page, text)
    assert expected and found == expected


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_section_less_is_noticed_and_wrapped_lines_are_no_edit(page):
    parts = headed(page.read_text())
    gone = next(part for part in parts if says_results(page, part[1]))
    assert edited(page, "".join(a + b for a, b in parts if (a, b) != gone)) == [f"{name_of(page)}, {gone[0].strip()}"]
    assert edited(page, "".join(a + re.sub(r"(?<=\w) (?=\w)", "\n  ", b) for a, b in parts)) == []


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("difference", lambda values: values + 0.01),
        ("verdict", lambda values: values.replace("behind", "open")),
        ("stored_params", lambda values: values * 1.01),
    ],
)
def test_another_table_under_the_same_sentences_is_noticed_and_not_written_down(readme, column, change, tmp_path):
    def other(file):
        rows = table(file)
        return rows.assign(**{column: change(rows[column])}) if column in rows else rows

    assert any(f"{column} is " in problem for problem in problems(readme, other))
    with pytest.raises(SystemExit, match="not written"):
        write(tmp_path / "said.json", [REFERENCE / "README.md"], other)
    assert not any(tmp_path.iterdir())


def test_the_golden_file_is_written_where_tags_and_rows_agree(readme, tmp_path):
    page = REFERENCE / "README.md"
    write(tmp_path / "said.json", [page])
    assert json.loads((tmp_path / "said.json").read_text()) == {name_of(page): said_by(page, readme)}
    assert list(json.loads(GOLDEN.read_text())) == [name_of(page) for page in PAGES]


def test_fresh_and_transferred_heads_are_compared_only_where_it_is_said(readme):
    assert mixed_heads(readme) == []


@pytest.mark.parametrize(
    ("sentence", "other", "wrong"),
    [
        ("weight_selection is behind wave (-1.58 ± 0.82)", "wave", 1),
        ("weight_selection with a fresh head to wave (-1.58 ± 0.82). A transferred one", "wave", 1),
        ("weight_selection, fresh head, to wave, its head transferred (-1.58\n  ± 0.82)", "wave", 0),
        ("weight_selection is behind wave (-1.58 ± 0.82)", "wave_fresh_head", 0),
        ("weight_selection is ahead of random (-1.58 ± 0.82)", "random_long", 0),
    ],
)
def test_a_comparison_of_unlike_heads_is_noticed(sentence, other, wrong):
    tag = f'digits_reference_depth/comparisons.csv method_a=weight_selection method_b={other} difference="-1.58 ± 0.82"'
    text = f"{PAGES[REFERENCE / 'README.md'][0]}\n* Heads, fresh and transferred. {sentence}.\n  <!-- from: {tag} -->\n"
    assert len(mixed_heads(text)) == wrong


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
    tuning = yaml.safe_load((ROOT / f"suites/study/{suite}.yaml").read_text())["tune"]["seeds"]
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


SHOWN = {  # heading of a table -> its page and suite
    "## Over depths: digits_reference_depth\n": ("results/reference/README.md", "digits_reference_depth"),
    "## Over widths: digits_reference_width\n": ("results/reference/README.md", "digits_reference_width"),
    "### What the default suite gives\n": ("README.md", "digits_variable_depth"),
}
LABELS = {  # what these tables call a label
    "weight_selection, its head too": "weight_selection_head",
    "weight_selection, fresh head": "weight_selection",
    "weight_selection (fresh head)": "weight_selection",
    "sws, fresh head": "sws_fresh_head",
    "mixture_growth, in width": "mixture_growth",
    "mixture_growth, fresh head": "mixture_growth_fresh_head",
    "wave, fresh head": "wave_fresh_head",
    "random for 52 epochs, the total cost of sws": "random_long",
    "random, trained for the total cost of sws (52 epochs)": "random_long",
    "random by the ancestor's recipe, 40 epochs": "random_as_ancestor",
    "random, distilled from the ancestor": "random_teacher",
    "wave with templates never trained": "wave_random_templates",
    "the selected weights, permuted": "permuted",
    "a normal draw with their means and deviations": "moments",
}


@pytest.mark.parametrize("heading", SHOWN, ids=str.strip)
def test_the_table_of_a_suite_before_the_study_is_that_of_its_summary(heading):
    page, suite = SHOWN[heading]
    lines = [cells(line) for line in dict(headed((ROOT / page).read_text()))[heading].splitlines() if line[:1] == "|"]
    columns = [
        {"stored parameters": "stored", "FLOPs for all three": "FLOPs in all"}.get(name, name) for name in lines[0]
    ]
    said = {}
    for label, *row in lines:
        if any(" ± " in cell for cell in row):
            said |= {(LABELS.get(label, label), column): cell for column, cell in zip(columns[1:], row, strict=True)}
    expected = {}
    for row in table(f"{suite}/summary.csv").itertuples():
        cell = rounded(row.top1_mean, row.top1_low, row.top1_high) if row.n else "cannot"
        expected |= {(row.method, size): cell for size in (f"{row.depth} layers", f"{row.embed_dim} wide")}
    for row in table(f"{suite}/cost.csv").itertuples():
        expected[row.method, "stored"], expected[row.method, "FLOPs in all"] = (
            si(row.stored_params),
            si(row.flops_total),
        )
    assert said == {key: cell for key, cell in expected.items() if key[1] in columns}


def test_what_stands_below_these_tables_is_of_their_runs():
    text = " ".join((REFERENCE / "README.md").read_text().split())
    for suite in ("digits_reference_depth", "digits_reference_width"):
        runs = pd.read_csv(REFERENCE / suite / "runs.csv", usecols=["seed", "ancestor_top1"]).dropna()
        top1 = runs.groupby("seed")["ancestor_top1"].first()
        assert len(top1) == 10
        assert f"The ancestors have {top1.mean():.1f}% ({top1.min():.1f} to {top1.max():.1f}" in text
    long = table("digits_variable_width/summary.csv").query("method == 'random_long'")
    assert ", ".join(map(rounded, long["top1_mean"], long["top1_low"], long["top1_high"])) in text


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
    stand = standings((ROOT / page).read_text())
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
    text = (ROOT / "README.md").read_text()
    said = text.partition("The ancestor has 302 k")[2].partition("\n## ")[0]
    assert "rank nothing" in said and not re.search(COMPARATIVE, said.replace("fewer than five seeds", ""))


def write(golden=GOLDEN, pages=tuple(PAGES), table=table):
    """The golden file anew, unless a tag and its row disagree."""
    texts = {page: page.read_text() for page in pages}
    if wrong := [f"{name_of(page)}: {what}" for page, text in texts.items() for what in problems(text, table)]:
        sys.exit("\n".join(["not written:", *wrong]))
    said = {name_of(page): said_by(page, text) for page, text in texts.items()}
    golden.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write()

"""The answer that a section's own data supports, in sentences, each with its numbers and its family of tests.

Comparative words come from verdicts alone (see analysis.comparisons): with fewer than 5 seeds, or without a filled
family, there are only sentences of what was run and of what is not shown. Cost and storage are counts and are listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.report.analysis.comparisons import AHEAD, ALL, BEHIND, LEVEL_WITH, OPEN, TURNED
from bench.report.analysis.families import PairFamily, cannot, missing
from bench.report.analysis.leading import by_accuracy
from bench.report.analysis.reach import reference
from bench.report.analysis.sections import Section
from bench.report.analysis.statistics import ENOUGH
from bench.report.format import counts, one_line, si
from bench.report.tables.joined import Sentence, across_devices, joined
from bench.words import few, listed

if TYPE_CHECKING:
    from pandas import DataFrame

    from bench.report.analysis.section_analysis import Analysis

POINTS = {"top1": "test top-1", "top1_init": "test top-1 at the start", "best_top1": "best test top-1"}


def sentences(analysis: Analysis) -> list[Sentence]:
    """Return what may be said of a section: what was run, what families show, cost and storage, what is not shown."""
    families = sorted(analysis.families, key=lambda family: not family.among)  # which is best comes first
    spoken = [family for family in families if _speaks(analysis, family)]
    answers = [Sentence("run", _run(analysis)), *joined(analysis)]
    for family in spoken:
        answers += _among(analysis, family) if family.among else _against(analysis, family)
    if spoken:
        answers += [*_cost(analysis), *_pays(analysis), *_storage(analysis, spoken)]
    answers += across_devices(analysis)
    answers += [Sentence("not shown", text, family.title) for family in families if (text := _open(analysis, family))]
    if not analysis.families:
        answers.append(Sentence("not shown", "No family of tests: nothing is compared here."))
    return [Sentence(s.kind, one_line(s.text), one_line(s.family)) for s in answers]


def _speaks(analysis: Analysis, family: PairFamily) -> bool:
    rows = _overall(analysis, family)
    return not missing(analysis.section, family) and len(rows) > 0 and int(rows["n"].min()) >= ENOUGH


def _overall(analysis: Analysis, family: PairFamily) -> DataFrame:
    rows = analysis.comparisons
    return rows[(rows["family"] == family.name) & (rows["target"] == ALL)]


def _run(analysis: Analysis) -> str:
    section, runs = analysis.section, analysis.section.runs
    methods = len(section.methods) - len(section.controls)
    parts = [_number(methods, "method"), *([_number(len(section.controls), "control")] if section.controls else [])]
    parts += [_number(len(section.targets), "target size"), _number(len(section.seeds), "seed")]
    done = int((runs["status"] == "done").sum())
    never = int(cannot(runs).sum())
    skipped = f", {never} are of sizes that a method cannot make" if never else ""
    return f"Run on {section.dataset}: {listed(parts)}; {done} of {len(runs)} runs are done{skipped}."


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _sides(rows: DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """label -> other label -> what the label's difference to it is: difference, low, high, verdict, cells."""
    sides: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows.to_dict("records"):
        sides.setdefault(row["method_a"], {})[row["method_b"]] = row
        turned = {"difference": -row["difference"], "low": -row["high"], "high": -row["low"]}
        turned["verdict"] = TURNED.get(row["verdict"], row["verdict"])
        sides.setdefault(row["method_b"], {})[row["method_a"]] = row | turned
    return sides


def _points(row: dict[str, Any]) -> str:
    return f"{row['difference']:+.2f} ± {(row['high'] - row['low']) / 2:.2f}"


def _few(words: list[str]) -> str:
    return few(words, whole=listed)


def _ranked(analysis: Analysis, labels: list[str]) -> list[str]:
    return [label for label in by_accuracy(analysis.summary) if label in labels]


def _mean(analysis: Analysis, label: str, family: PairFamily) -> str:
    """A label with its mean accuracy over the family's sizes that it serves."""
    summary, targets = analysis.summary, family.of(analysis.section)
    rows = summary[(summary["method"] == label) & summary["target"].isin(targets) & (summary["n"] > 0)]
    fewer = "" if len(rows) == len(targets) else f" at {len(rows)} of {len(targets)} sizes"
    return f"{label} ({rows[f'{family.metric}_mean'].mean():.1f}%{fewer})"


def unbeaten(analysis: Analysis, family: PairFamily) -> list[str]:
    """Return the labels that are behind no other of a family, by accuracy."""
    sides = _sides(_overall(analysis, family))
    left = [label for label, others in sides.items() if all(row["verdict"] != BEHIND for row in others.values())]
    return _ranked(analysis, left)


def _among(analysis: Analysis, family: PairFamily) -> Iterator[Sentence]:
    sides, first = _sides(_overall(analysis, family)), unbeaten(analysis, family)
    others = _ranked(analysis, [label for label in sides if label not in first])
    what = POINTS[family.metric]
    top = first[0] if first else ""
    if top and all(row["verdict"] == AHEAD for row in sides[top].values()):
        nearest = min(sides[top], key=lambda label: sides[top][label]["difference"])
        text = f"Best by {what}: {_mean(analysis, top, family)} is ahead of every other of {len(sides)}, of "
        yield Sentence("best", f"{text}{nearest} by {_points(sides[top][nearest])} points.", family.title)
    elif top and others:
        words = _few([_mean(analysis, label, family) for label in first])
        text = f"By {what} {len(first)} of {len(sides)} are behind none: {words}. No single one is ahead of all."
        yield Sentence("best", text, family.title)
    if others:
        places = by_accuracy(analysis.summary)
        better = {a: [b for b, row in sides[a].items() if row["verdict"] == BEHIND] for a in others}
        beaten = [(label, min(better[label], key=places.index)) for label in others]
        words = _few([f"{label} ({_points(sides[label][by])} to {by})" for label, by in beaten])
        yield Sentence("behind", f"Behind at least one other by {what}: {words}.", family.title)
    pairs = [(a, b) for a, b in family.pairs if sides.get(a, {}).get(b, {}).get("verdict") == LEVEL_WITH]
    if pairs:
        words = _few([f"{a} and {b} ({_points(sides[a][b])})" for a, b in pairs])
        yield Sentence("level", f"Level within {family.margin:g} points: {words}.", family.title)


def _against(analysis: Analysis, family: PairFamily) -> Iterator[Sentence]:
    """What each label that others are compared with says of them."""
    sides = _sides(_overall(analysis, family))
    for versus in family.references:
        rows = {
            label: sides[label][versus] for label in _ranked(analysis, family.labels) if versus in sides.get(label, {})
        }
        parts = []
        for verdict, word in (
            (BEHIND, "behind it"),
            (AHEAD, "ahead of it"),
            (LEVEL_WITH, "level with it"),
            (OPEN, "open"),
        ):
            some = [label for label, row in rows.items() if row["verdict"] == verdict]
            within = f" within {family.margin:g} points" if verdict == LEVEL_WITH and family.margin else ""
            if some:
                parts.append(f"{word}{within}: {_few([f'{label} ({_points(rows[label])})' for label in some])}")
        about = analysis.section.controls.get(versus)
        if parts:
            text = f"Against {versus}{f' ({about})' if about else ''}, {'; '.join(parts)}."
            yield Sentence("control", text, family.title)


def _cost(analysis: Analysis) -> Iterator[Sentence]:
    """FLOPs to what random reaches, with what is prepared: of labels that reach it at all sizes."""
    if analysis.reach.empty:
        return
    for block in analysis.section.by_block():
        yield from _cost_on(analysis, block)


def _cost_on(analysis: Analysis, block: Section) -> Iterator[Sentence]:
    frame, costs = analysis.reach, analysis.totals
    frame = frame[(frame["factor"] == 1.0) & frame["method"].isin(block.methods)]
    sums = frame.groupby("method")["flops_with_init"].agg(["sum", "size"])
    sums = sums[sums["size"] == len(analysis.section.targets)]["sum"]
    shared = costs.set_index("method")[["flops_ancestor", "flops_learngene", "flops_tuning"]].sum(axis=1, skipna=False)
    total = (
        (sums + shared.reindex(sums.index)).replace([float("inf")], float("nan")).dropna().sort_values(kind="stable")
    )
    if len(total):
        goal = frame.drop_duplicates("target")["goal"].mean()
        words = _few([f"{label} {si(flops)}" for label, flops in total.items()])
        who, sizes = reference(block), _number(len(analysis.section.targets), "size")
        text = (
            f"FLOPs to reach what {who} ends with ({goal:.1f}%, mean of {sizes}), at all of them and with all that is "
        )
        yield Sentence("cost", f"{text}prepared: {words}. Upper medians over seeds: counted, not tested.")


def _pays(analysis: Analysis) -> Iterator[Sentence]:
    frame = analysis.break_even
    if frame.empty:
        return
    rows = frame[(frame["unit"] == "flops") & (frame["ancestor"] == "with")]
    told = [row for row in rows.to_dict("records") if row["verdict"] != "cannot tell"]
    words = [f"{row['method']} {row['verdict']}" for row in told if row["method"] in analysis.leading]
    if words:
        where = "from which on, or up to which," if any("up to" in word for word in words) else "from which on"
        text = f"Sizes {where} the FLOPs are fewer than of training each from scratch to the same accuracy: "
        rates = " and with all runs that chose the rates" if analysis.totals["flops_tuning"].gt(0).any() else ""
        yield Sentence("pays", f"{text}{'; '.join(words)}. Counted along learning curves{rates}, not tested.")


def _storage(analysis: Analysis, families: list[PairFamily]) -> Iterator[Sentence]:
    """Said once of all families whose first labels are the same."""
    costs = analysis.totals.set_index("method")
    stored = (costs["stored_params"] + costs["stored_params_head"]).sort_values(kind="stable")
    titles: dict[str, list[str]] = {}
    for family in families:
        first = unbeaten(analysis, family) if family.among else []
        labels = [label for label in stored.index if label in first]
        words = _few([f"{label} {si(stored[label])}" for label in labels if stored[label] == stored[label]])
        if words:
            titles.setdefault(words, []).append(family.title)
    for words, some in titles.items():
        text = f"Parameters stored for all sizes, heads included, by those that are behind none: {words}."
        yield Sentence("storage", text, listed(some))


def _open(analysis: Analysis, family: PairFamily) -> str:
    """What a family does not show, in words; empty where it shows all."""
    left, rows = missing(analysis.section, family), _overall(analysis, family)
    if left:
        return f"Partly filled, so it gives no verdict: {left}."
    if not len(rows):
        return "No two of its labels have finished a size in common."
    if int(rows["n"].min()) < ENOUGH:
        n = counts([int(n) for n in rows["n"]])
        return f"n = {n}: with fewer than {ENOUGH} seeds nothing is said here of which is better."
    unknown = int((rows["verdict"] == OPEN).sum())
    equal = "" if family.margin else "; it declares no margin, so that nothing can be called level"
    return f"{unknown} of {len(rows)} pairs are open: no difference is shown{equal}." if unknown else ""

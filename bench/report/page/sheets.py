"""The tables and texts that only the page has: every cell with its runs, every run, methods, published numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.report.analysis.published import one_spelling, published
from bench.report.analysis.ranking import FEW_CELLS
from bench.report.analysis.section_analysis import Analysis
from bench.report.analysis.sections import Section
from bench.report.analysis.standing import Standing
from bench.report.analysis.statistics import trimmed
from bench.report.format import counts, interval, number, one_line
from bench.report.style import Look
from bench.report.tables.accuracy import setting
from bench.report.tables.model import Cell, Table, only, quoted

if TYPE_CHECKING:
    from pandas import DataFrame

SUMMARY = {"top1": "top-1", "best_top1": "best top-1", "top1_init": "top-1 at start", "top5": "top-5", "loss": "loss"}
UNTOLD = "From outside the project: see its own documentation."


def summary_table(analysis: Analysis) -> Table:
    """Return every cell with all its metrics and the paths to its runs."""
    logs = dict(zip(analysis.section.runs["run"], analysis.section.runs["log"], strict=True))
    rows = []
    for row in analysis.summary.to_dict("records"):
        runs = row["runs"].split()
        cells = [Cell(one_line(row["method"])), Cell(one_line(row["target"]))]
        cells.append(Cell(f"{row['n']} of {int(row['planned'])}", value=row["n"]))
        for metric in SUMMARY:
            digits = 3 if metric == "loss" else 1
            mean, low, high = (row[f"{metric}_{part}"] for part in ("mean", "low", "high"))
            cells.append(Cell(interval(mean, low, high, digits)))
        cells += [Cell(row["interval"]), Cell(one_line(row["note"]))]
        details = [one_line(f"{run}: {logs[run]}" if logs[run] else run) for run in runs]
        rows.append([*cells, Cell(f"{len(runs)} runs" if runs else "", details=details)])
    header = ["method", "target", "n", *SUMMARY.values(), "interval", "note", "runs"]
    caption = "Mean ± half width of the 95% interval over n seeds; every number with the runs it is made of."
    return Table(f"{analysis.section.title}: every cell", header, rows, caption, left=2)


def standing_table(standing: Standing) -> Table:
    """Return ranks and interquartile means over all cells of a suite."""
    rows = []
    ranked, every = (list(map(list, zip(*cells, strict=True))) for cells in (standing.cells, standing.every_cell))
    cells = [words for some, of in zip(ranked, every, strict=False) for words in only(some, of)]
    for row in standing.frame().to_dict("records"):
        iqm = interval(row["iqm_mean"], row["iqm_low"], row["iqm_high"])
        texts = [one_line(row["method"]), number(row["mean_rank"], 2), iqm, str(row["n"])]
        rows.append([Cell(text, runs=quoted(standing.suite, row["method"], *cells)) for text in texts])
    notes = [f"left out, since they serve fewer cells: {', '.join(standing.left_out)}"] if standing.left_out else []
    if standing.ranking is None and standing.blocks > 1:
        notes.append("no ranks: these are of several kinds of device, or of several settings")
    elif standing.ranking is None:
        notes.append("no ranks: these take 3 methods and 2 cells")
    elif standing.ranking.p != standing.ranking.p:
        notes.append(f"no test of ranks: it takes {FEW_CELLS} cells, here are {len(standing.cells)}")
    else:
        test = f"Friedman p = {standing.ranking.p:.3g}, critical difference {standing.ranking.critical_difference:.2f}"
        notes.append(f"{test} (Nemenyi, 95%): no difference is shown between average ranks that are closer")
    caption = (
        f"Over {len(standing.cells)} cells (data set x target) that all these methods have finished. Interquartile "
        f"mean: without the best and the worst quarter of cells, here {trimmed(len(standing.cells))} at either end, "
        "taken for each seed; mean ± half width of the 95% interval over seeds. Cells share seeds and learngenes, so "
        "ranks are not independent."
    )
    header = ["method", "average rank (1 = best)", "interquartile mean top-1 (%)", "n"]
    return Table(f"{standing.suite}: ranks and interquartile mean", header, rows, caption, [one_line(n) for n in notes])


def runs_table(runs: DataFrame) -> Table:
    """Return every run with its state, accuracy and log."""
    rows = []
    columns = ["suite", "run", "method", "dataset", "target", "seed", "status", "top1", "reason", "error", "log"]
    joined = bool((runs["source"] != "").any())
    for suite, run, method, dataset, target, seed, status, top1, reason, error, log, source in zip(
        *(runs[column].tolist() for column in [*columns, "source"]), strict=True
    ):
        why = "; ".join(dict.fromkeys(text for text in (reason, error) if text))
        accuracy = "" if top1 != top1 else f"{top1:.2f}"
        texts = [run, suite, method, dataset, target, str(seed), status, accuracy, why, log, *[source] * joined]
        rows.append([Cell(one_line(text)) for text in texts])
    header = ["run", "suite", "method", "data set", "target", "seed", "status", "top-1", "reason", "log"]
    header += ["source"] * joined
    caption = "Paths of logs are relative to the suite's results directory."
    return Table("Every run", header, rows, caption, left=len(header))


def published_table(analyses: list[Analysis]) -> Table:
    """Return the published numbers of the methods and data sets that are here."""
    here = {one_spelling(analysis.section.dataset) for analysis in analyses}
    uses = {use for analysis in analyses for use in analysis.section.use.values()}
    rows = []
    for row in published().to_dict("records"):
        if row["method"] in uses and one_spelling(row["dataset"]) in here:
            size = "" if row["depth"] != row["depth"] else f"d{row['embed_dim']:g} L{row['depth']:g}"
            where = [row["method"], row["arch"], size, row["dataset"]]
            rows.append([Cell(str(t)) for t in (*where, row["metric"], row["value"], row["conditions"], row["source"])])
    header = ["method", "architecture", "size", "data set", "what", "value", "conditions", "source"]
    return Table("As stated in the sources", header, rows, left=8)


def methods(analyses: list[Analysis], looks: Mapping[str, Look], docs: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return one entry per label: colour, facts, options, and the method's docstring at the first of its labels; folded
    where there are many. docs: {method: docstring}."""
    entries: dict[str, dict[str, Any]] = {}
    told: dict[str, str] = {}  # method -> the label whose entry has its docstring
    for analysis in analyses:
        runs, summary = (dict(iter(f.groupby("method", sort=False))) for f in (analysis.section.runs, analysis.summary))
        for label in [label for group in analysis.groups for label in group.labels] or analysis.section.methods:
            if label in entries:
                continue
            use = analysis.section.use[label]
            doc = f"The same method as {one_line(told[use])}, above." if use in told else docs.get(use) or UNTOLD
            told.setdefault(use, label)
            entries[label] = _method(analysis.section, label, runs[label], summary[label], looks[label]) | {
                "folded": bool(analysis.groups),
                "doc": doc.partition("\n")[0],
                "more": doc.partition("\n")[2].strip(),
            }
    return list(entries.values())


def _method(section: Section, label: str, runs: DataFrame, rows: DataFrame, look: Look) -> dict[str, Any]:
    """runs, rows: of the label, those of the summary."""
    first = rows.sort_values("n", kind="stable").iloc[-1] if (rows["n"] > 0).any() else rows.iloc[0]
    use = section.use[label]
    facts = [("method", use), ("setting", setting(section, label) or "as most")]
    if caution := next((text for text in runs["caution"] if text), ""):
        facts.append(("caution", caution))
    facts.append(("needs, as seen", first["needs"] or "not yet known"))
    versions = runs["version"].dropna().unique()
    facts.append(("version", ", ".join(map(str, versions)) or "not yet known"))
    stored = first[["stored_params", "stored_params_head"]]
    if stored.notna().all():
        body, head = map(int, stored)
        facts.append(("stores", f"{body:,} parameters, and {head:,} for the head"))
    rates = runs["lr"].dropna().unique()
    if len(rates):
        tuned = ", tuned on the validation split" if (runs["tune"] != "").any() else ""
        facts.append(("learning rate", ", ".join(f"{rate:g}" for rate in sorted(rates)) + tuned))
    facts.append(("seeds", counts([int(n) for n in rows["n"]])))
    return {
        "label": label,
        "colour": look.colour,
        "facts": [(name, one_line(str(value))) for name, value in facts],
        "options": _options(first["options"]),
    }


def _options(text: str) -> str:
    try:
        options = json.loads(text or "{}")
    except ValueError:
        return text
    return json.dumps(options, indent=1) if options else ""

"""The model card: what an export is, what it cost and what it was made with."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.export.line import Done, Line
from bench.identity import canonical
from bench.jobs.inputs import MethodInput

FILE = "README.md"
Rows = list[tuple[str, str]]


def card(title: str, rows: Rows, usage: str, *, language: str = "python") -> str:
    """The text of a card: a table of what is known, and lines to paste. The head is what model hubs read."""
    head = {"tags": ["image-classification", "timm", "learngene"], "library_name": "timm"}
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())
    table = "\n".join(f"| {_cell(name)} | {_cell(value)} |" for name, value in rows)
    return f"---\n{front}\n---\n# {title}\n\n| | |\n| --- | --- |\n{table}\n\n```{language}\n{usage}\n```\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def of_method(method: MethodInput | None) -> Rows:
    """Name, version and options."""
    if method is None:
        return []
    options = canonical(method.options) if method.options else "at their defaults"
    return [("method", f"{method.use}, version {method.version}"), ("options", options)]


def of_line(line: Line) -> Rows:
    """Where it comes from, and what each step cost."""
    rows: Rows = []
    for ancestor in line.ancestors:
        kind = "weights from elsewhere, " if getattr(ancestor.job, "ready_made", False) else ""
        rows.append(("ancestor", f"{ancestor.id}, top-1 {ancestor.result['top1']:.2f}%; {kind}{cost(ancestor.result)}"))
    if line.learngene is not None:
        result = line.learngene.result
        stored = (
            f"{result['stored_params']:,} numbers stored, {result.get('stored_params_head', 0):,} more for the head"
        )
        rows.append(("learngene", f"{line.learngene.id}: {stored}; {cost(result)}"))
    if line.start is not None:
        rows.append(("start", f"{line.start.id}; {cost(line.start.result)}"))
    if line.run is not None:
        result = line.run.result
        rows += [("initialisation", cost(result, "init_cost")), ("training", cost(result, "train_cost"))]
        rows.append(("run", line.run.id))
    return rows


def cost(result: Mapping[str, Any], name: str = "cost") -> str:
    """FLOPs, images and seconds of a step."""
    spent = result.get(name) or {}
    if not spent:
        return "cost unknown"
    device = result.get("device_name") or result.get("device") or "an unknown device"
    return f"{spent['flops']:.3g} FLOPs, {spent['images']:,.0f} images, {spent['seconds']:.1f} s on {device}"


def of_seeds(rows: Sequence[Mapping[str, str]], tables: Sequence[Mapping[str, str]]) -> Rows:
    """Mean top-1 over the seeds of the run's cell, of each suite that it is in."""
    lines: Rows = []
    cell = ("suite", "method", "target", "dataset")
    for row in rows:
        alike = [r for r in tables if r.get("status") == "done" and all(r[c] == row[c] for c in cell)]
        scores = [float(r["top1"]) for r in alike if r.get("top1")]
        if len(scores) > 1:
            spread = f"standard deviation {statistics.stdev(scores):.2f}"
            text = f"{statistics.fmean(scores):.2f}% over {len(scores)} seeds ({spread})"
            lines.append((f"top-1 of {row['method']} {row['target']} in {row['suite']}", text))
    return lines


def of_code(result: Mapping[str, Any]) -> Rows:
    """What it was made with."""
    changed = ", with changes" if result.get("git_dirty") else ""
    versions = ", ".join(f"{name} {result[name]}" for name in ("torch", "timm", "python") if result.get(name))
    return [("made with", f"learngene-bench, commit {result.get('git_sha', 'unknown')}{changed}; {versions}")]


def of_accuracy(scores: Mapping[str, float], n: int, part: str, data: str) -> Rows:
    """Top-1 as it was found when the export was loaded back."""
    half = 100 * 1.96 * math.sqrt(max(scores["top1"] * (100 - scores["top1"]), 0.0)) / 100 / math.sqrt(n)
    return [("top-1", f"{scores['top1']:.2f}% of {n:,} images of {data} ({part}); +-{half:.2f} by their number alone")]


def sources(line: Line) -> dict[str, str | list[str]]:
    """Identities of the jobs, for the record."""
    steps: dict[str, Done | None] = {"run": line.run, "start": line.start, "learngene": line.learngene}
    named: dict[str, str | list[str]] = {name: step.id for name, step in steps.items() if step is not None}
    return named | ({"ancestors": [ancestor.id for ancestor in line.ancestors]} if line.ancestors else {})

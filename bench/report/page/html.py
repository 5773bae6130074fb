"""report.html: one page that needs nothing else: no network, no script but its own, pictures inside."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.report.analysis.cautions import warnings_of
from bench.report.analysis.section_analysis import Analysis, by_suite
from bench.report.page.provenance import overview, provenance
from bench.report.page.setup import setup
from bench.report.page.sheets import methods, published_table, runs_table, standing_table, summary_table
from bench.report.style import Look
from bench.report.tables.joined import Sentence
from bench.report.tables.model import Table

if TYPE_CHECKING:
    from pandas import DataFrame

MAIN = "accuracy_vs_size"  # the picture beside the main table


@dataclass(frozen=True)
class Picture:
    """A picture of a suite: its name, caption and files, and its width in CSS pixels."""

    suite: str
    name: str
    caption: str
    files: list[Path]
    width: int


def page(
    runs: DataFrame,
    analyses: list[Analysis],
    tables: list[dict[str, Table]],
    answers: list[list[Sentence]],
    pictures: list[Picture],
    looks: dict[str, Look],
    title: str,
    context: dict[str, Any],
) -> str:
    """Return the page as text; `tables`, `answers`: of each analysis. The template escapes all text of suites."""
    import jinja2

    loader = jinja2.PackageLoader("bench.report.page", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    grouped = any(analysis.groups for analysis in analyses)
    css, js = (
        "".join(loader.get_source(environment, f"{name}.{kind}")[0] for name in ("page", *["groups"] * grouped))
        for kind in ("css", "js")
    )
    digest = base64.b64encode(hashlib.sha256(js.encode()).digest()).decode()
    texts = dict(zip(map(id, analyses), zip(tables, answers, strict=True), strict=True))
    suites = [
        _suite(i, name, members, [texts[id(a)] for a in members], [p for p in pictures if p.suite == name])
        for i, (name, members) in enumerate(by_suite(analyses).items())
    ]
    published = published_table(analyses)
    contents = [*((s["id"], s["name"]) for s in suites), ("warnings", "warnings"), ("setup", "what was run")]
    contents += [(f"{s['id']}-more", "pictures, statistics and cost") for s in suites[:1]]
    contents += [("methods", "methods"), *([("published", "published numbers")] if published.rows else [])]
    return environment.get_template("report.html").render(
        title=title,
        overview=overview(runs),
        contents=[*contents, ("runs", "runs"), ("provenance", "provenance")],
        provenance=provenance(runs, context),
        warnings=warnings_of(runs),
        setup=[(a.section.title, setup(a)) for a in analyses],
        asked=list(context.get("setup", {}).items()),
        suites=suites,
        methods=methods(analyses, looks, context.get("methods", {})),
        published=published,
        runs=runs_table(runs),
        css=css,
        js=js,
        script_hash=f"sha256-{digest}",
    )


def _suite(
    number: int,
    name: str,
    members: list[Analysis],
    texts: list[tuple[dict[str, Table], list[Sentence]]],
    pictures: list[Picture],
) -> dict[str, Any]:
    """texts: the tables and the answer of each member."""
    anchor = f"suite{number}"
    named = [
        (f"{anchor}-{i}-{key}", table)
        for i, (analysis, (named_tables, _)) in enumerate(zip(members, texts, strict=True))
        for key, table in [*named_tables.items(), ("cells", summary_table(analysis).grouped(analysis.groups))]
    ]
    main = [(id, table) for id, table in named if id.endswith("-top1")]
    more = [(id, table) for id, table in named if not id.endswith("-top1")]
    lead = next((p for p in pictures if p.name == MAIN), None)
    shown = [
        {
            "name": picture.name,
            "caption": picture.caption,
            "width": picture.width,
            "files": ", ".join(path.name for path in picture.files),
            "data": base64.b64encode(next(p for p in picture.files if p.suffix == ".svg").read_bytes()).decode(),
        }
        for picture in pictures
    ]
    standing = standing_table(members[0].standing).grouped(members[0].groups)
    first = [picture for picture in shown if lead and picture["name"] == lead.name]
    shown = [picture for picture in shown if picture not in first]
    answer = [(analysis.section.title, words) for analysis, (_, words) in zip(members, texts, strict=True)]
    return {
        "id": anchor,
        "name": name,
        "answer": answer,
        "lead": first,
        "main": main,
        "more": more,
        "standing": standing,
        "pictures": shown,
    }

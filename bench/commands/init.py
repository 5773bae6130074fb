"""`bench init`: a target with its starting weights, without a suite."""

import argparse
from pathlib import Path
from typing import Any

from bench.commands.export import say, shown_warnings
from bench.errors import SuiteError, UsageError
from bench.export import folder
from bench.export.selection import select
from bench.export.wish import Wish, plan_of, shown_suite
from bench.jobs.model import LEARNGENE_FILE
from bench.store import Store
from bench.suite.yaml_lines import parse


def main(options: argparse.Namespace) -> int:
    wish = Wish(
        method=options.method,
        sources=options.source,
        to=mapping("--to", options.to.split(",") if options.to else []),
        options=mapping("--option", options.option),
        learngene=learngene_of(options.learngene, options.results) if options.learngene else None,
        classes=int(options.classes) if options.classes and options.classes.isdecimal() else options.classes,
        img_size=options.img_size,
        dataset=value("--dataset", options.dataset) if options.dataset else None,
        heads=options.heads,
        seed=options.seed,
        settings=options.settings,
    )
    if options.print_suite:
        print(shown_suite(plan_of(wish)), end="")
        return 0
    if options.out is None:
        raise UsageError("expected OUT, the folder that is made, or --print-suite")
    folder.check(options.out, options.results, force=options.force)
    plan_of(wish)
    from bench.export.start import make  # not above: it imports torch, and mistakes are told before

    with shown_warnings():
        start = make(wish, results=options.results, say=say)
        usage = start.save(options.out, force=options.force, results=options.results)
    print(f"head: {start.facts['head_used']}; learngene: {start.facts['learngene']}")
    print(f"timm loads equal weights and logits\nwritten: {options.out}\n\n{usage}")
    return 0


def mapping(option: str, settings: list[str]) -> dict[str, Any]:
    """`key=value` pairs; values are YAML."""
    pairs = {}
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not key or key in pairs:
            trouble = "is there twice" if key in pairs else "expected KEY=VALUE, such as depth=6"
            raise UsageError(f"{option} {setting}: {trouble}")
        pairs[key] = value(f"{option} {key}", text)
    return pairs


def value(option: str, text: str) -> Any:
    try:
        return parse(text, "value")[0]
    except SuiteError as error:
        raise UsageError(f"{option}={text}: {error.problems[0].removeprefix('value:1: ')}") from None


def learngene_of(text: str, results: Path) -> Path:
    """The file of a learngene: that of an exported folder, a file, or that of a job, by its identity."""
    path = Path(text).expanduser()
    if path.is_dir():
        return path / LEARNGENE_FILE
    if path.exists() or "/" in text:
        return path
    store = Store(results)
    selected = select(store, text, {})
    if selected.kind != "learngene":
        raise UsageError(
            f"--learngene {text}: that is a job of the kind {selected.kind}; expected a file or a learngene"
        )
    return store.job_dir("learngene", selected.id).path / LEARNGENE_FILE

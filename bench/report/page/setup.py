"""What was run: data, sizes, recipe and ancestor, as far as the runs and their curves tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.report.analysis.section_analysis import Analysis
from bench.report.analysis.sections import own_recipe
from bench.report.analysis.tuning import edge
from bench.report.format import one_line, si
from bench.words import few

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def setup(analysis: Analysis) -> list[tuple[str, str]]:
    """Return (name, value) pairs of one section; what the runs do not tell is left out."""
    section, done = analysis.section, analysis.section.done
    runs = done[[not own_recipe(options) for options in done["options"]]]
    runs = runs if len(runs) else done
    per_epoch = (runs["train_images"].astype(float) / runs["epochs"]).replace([float("inf")], float("nan"))
    targets = [f"{name} ({si(params)} parameters)" for name, params in section.sizes["params"].astype(float).items()]
    pairs = [
        ("data set", section.dataset),
        ("training images an epoch", _several(per_epoch.round())),
        ("target sizes", few(targets)),
        ("epochs", _several(done["epochs"])),
        ("recipe, where it is not the default", few([_settings(text) for text in runs["recipe"].unique() if text])),
        ("batch size", _several(_batches(analysis.curves[analysis.curves["run"].isin(runs["run"])]))),
        ("learning rate", _several(done["lr"])),
        ("tuned on the validation split", tuned_rates(done)),
        ("recipes of their own", few(_recipes(done))),
        ("ancestor", _ancestor(done)),
        ("ancestor's test top-1 (%)", _several(done["ancestor_top1"].round(1))),
        ("seeds", few([str(seed) for seed in section.seeds])),
    ]
    return [(name, one_line(value)) for name, value in pairs if value]


def _settings(text: str) -> str:
    """A recipe as its row has it, in words: `steps 600, warmup_steps 60`."""
    return ", ".join(f"{name} {value}" for name, value in json.loads(text).items())


def _batches(curves: DataFrame) -> Series:
    """Images of an optimiser step, from the last evaluation of each run; partial batches make a run's mean smaller."""
    last = curves[curves["step"].astype(float) > 0].drop_duplicates("run", keep="last")
    return (last["images"].astype(float) / last["step"].astype(float)).round()


def _ancestor(done: DataFrame) -> str:
    trained = done[(done["ancestor"] != "") & done["ancestor_flops"].notna()].drop_duplicates("ancestor")
    if trained.empty:
        return ""
    images, flops = (float(trained[f"ancestor_{unit}"].astype(float).mean()) for unit in ("images", "flops"))
    each = "" if len(trained) == 1 else f"{len(trained)} of them, each on average "
    return f"{each}{si(images)} images seen, {si(flops, 'FLOPs')}"


def _recipes(done: DataFrame) -> list[str]:
    first = done.drop_duplicates("method")
    recipes: dict[str, dict[str, Any]] = dict(zip(first["method"], map(own_recipe, first["options"]), strict=True))
    return [f"{label}: {json.dumps(recipe)}" for label, recipe in recipes.items() if recipe]


def tuned_rates(done: DataFrame) -> str:
    """Return the learning rates that were chosen, each with its labels, and which are the edge of their grid."""
    labels: dict[str, list[str]] = {}
    for row in done[done["tune"] != ""].drop_duplicates(["method", "lr"]).sort_values("lr").to_dict("records"):
        at_edge = " (edge of the grid)" if edge(row["tune"]) else ""
        labels.setdefault(f"{row['lr']:g}", []).append(row["method"] + at_edge)
    return "; ".join(f"{rate}: {', '.join(named)}" for rate, named in labels.items())


def _several(values: Series) -> str:
    unique = sorted(values.dropna().astype(float).unique())
    return few([f"{value:,.0f}" if value == int(value) else f"{value:.4g}" for value in unique])

"""Synthetic frames of runs and curves, only for tests: plausible shapes, exact and known costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.report.analysis.cost import totals
from bench.report.analysis.sections import sections
from bench.report.conform import conform_curves, conform_runs, conform_training

LEVELS = {"random": 50.0, "weight_selection": 70.0, "sws": 92.0, "mixture_growth": 75.0, "wave": 93.0}
STORED = {"random": 0, "weight_selection": 390_000, "sws": 200_000, "mixture_growth": 160_000, "wave": 40_000}
STAGES = {"random": (0, 0), "weight_selection": (4e12, 0), "sws": (4e12, 3e12), "mixture_growth": (0, 2e12)}
STAGES["wave"] = (4e12, 4e12)


def make(
    methods=tuple(LEVELS), depths=(2, 4, 6), widths=(64,), seeds=3, datasets=("digits",), suite="tiny", epochs=5, **over
):
    """(runs, curves) of a finished suite: every run has epochs + 1 evaluations. `over` overrides columns of runs."""
    rng = np.random.default_rng(0)
    rows, curves = [], []
    for dataset in datasets:
        for method in methods:
            use = next((u for u in LEVELS if method.startswith(u)), "random")
            for width in widths:
                for depth in depths:
                    for seed in range(seeds):
                        row, curve = _run(rng, suite, dataset, method, use, width, depth, seed, epochs)
                        rows.append(row | over)
                        curves += curve
    return conform_runs(pd.DataFrame(rows)), conform_curves(pd.DataFrame(curves))


def _run(rng, suite, dataset, method, use, width, depth, seed, epochs):
    run = f"{method}-L{depth}-d{width}-{dataset}-s{seed}"
    macs = depth * width * width * 12 * 16
    ancestor, learngene = STAGES[use]
    end = min(99.0, LEVELS[use] + 0.5 * depth + rng.normal(0, 1.0))
    start = 10.0 if use == "random" else end * 0.6
    row = {
        "suite": suite, "run": run, "method": method, "options": '{"a": 1}', "dataset": dataset, "arch": "vit",
        "target": f"L{depth}-d{width}", "embed_dim": width, "depth": depth, "num_heads": width // 32, "seed": seed,
        "status": "done", "reason": "", "params": depth * 12 * width**2 + 10 * width, "macs": macs,
        "ancestor": "ancestor-1" if ancestor else "", "learngene": f"{method}-1" if learngene else "",
        "stored_params": STORED[use], "stored_params_head": 650 if STORED[use] else 0,
        "stored_bytes": 4 * (STORED[use] + 650) if STORED[use] else 0,
        "needs": "nothing" if use == "random" else "ancestor", "epochs": epochs, "top1_init": start, "top1": end,
        "top5": min(100.0, end + 5), "best_top1": end, "loss": (100 - end) / 50,
        "ancestor_top1": 97.0 if ancestor else np.nan,
        "ancestor_images": 40_000 if ancestor else 0, "ancestor_flops": ancestor, "ancestor_seconds": ancestor / 1e11,
        "learngene_images": 20_000 if learngene else 0, "learngene_flops": learngene,
        "learngene_seconds": learngene / 1e11, "init_images": 500 if use == "wave" else 0,
        "init_flops": 1e10 if use == "wave" else 0.0, "init_seconds": 0.1 if use == "wave" else 0.001,
        "train_images": 1077 * epochs, "train_flops": 6.0 * macs * 1077 * epochs,
        "train_seconds": 6.0 * macs * 1077 * epochs / 1e11, "eval_seconds": 0.5, "peak_memory_bytes": 3e8,
        "energy_joules": np.nan, "tuning": "", "tune": "",
        "device": "cpu", "workers_on_device": 2, "restarts": 0, "git_sha": "abc1234", "torch": "2.9.0",
        "timm": "1.0.24", "started_at": "2026-01-01T00:00:00+00:00", "method_use": use, "method_seed": 0, "version": 1,
        "head": "transfer", "replicate": "run", "budget": "epochs", "control": "", "lr": 1e-3, "precision": "fp32",
        "threads": 1, "device_name": "Test CPU", "host": "test", "python": "3.11.0", "engine": 1, "git_dirty": False,
        "log": f"results/{suite}/jobs/{run}/log.jsonl",
    }  # fmt: skip
    curve = [
        {
            "run": run, "epoch": e, "step": 34 * e, "images": 1077 * e, "flops": 6.0 * macs * 1077 * e,
            "seconds": 6.0 * macs * 1077 * e / 1e11, "top1": end - (end - start) * (1 - e / max(epochs, 1)) ** 2,
            "val_top1": end, "loss": 1.0,
        }
        for e in range(epochs + 1)
    ]  # fmt: skip
    return row, curve


def make_training(runs, fits=("aux",), epochs=3):
    """training of a suite: each learngene takes `fits`, each run of wave a start; losses are 1 / step, and 1 more for
    each learngene or start before it of the same label."""
    rows, made = [], []
    genes = runs[runs["learngene"] != ""].drop_duplicates(["method", "learngene"])
    made += [("learngene", row["learngene"], row, fits) for _, row in genes.iterrows()]
    made += [
        ("start", f"start-{row['run']}", row, ("scalers",)) for _, row in runs.iterrows() if row["method"] == "wave"
    ]
    before = {}
    for kind, job, row, names in made:
        rank = before[kind, row["method"]] = before.get((kind, row["method"]), -1) + 1
        for fit in names:
            for epoch in range(1, epochs + 1):
                point = {
                    "epoch": epoch,
                    "step": 10 * epoch,
                    "images": 640 * epoch,
                    "loss": rank + 0.1 / epoch,
                    "lr": 1e-3,
                }
                about = {"suite": row["suite"], "dataset": row["dataset"], "kind": kind, "job": job}
                rows.append({**about, "used_by": row["method"], "fit": fit, **point})
    return conform_training(pd.DataFrame(rows))


def analysed(runs, curves):
    """(the one section, its curves as an analysis has them, its totals)."""
    (section,) = sections(runs)
    own = curves.merge(section.done[["run", "method", "target", "seed"]], on="run")
    return section, own, totals(section)


def tuned(**over):
    """Two sizes, three seeds; at each size two tuning runs, 1e11 FLOPs in all at depth 2 and 2e11 at depth 4."""
    runs, curves = make(methods=("random", "wave"), depths=(2, 4), **over)
    runs["tune"] = '{"lr":0.001}'
    runs["tuning"] = runs["method"] + "-" + runs["target"] + "-a " + runs["method"] + "-" + runs["target"] + "-b"
    runs["tuning_flops"] = 5e10 * runs["depth"].astype(float)
    runs["tuning_seconds"], runs["tuning_images"], runs["tuning_workers"] = 3600.0, 1000, 1
    return runs, curves

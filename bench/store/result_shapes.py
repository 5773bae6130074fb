"""The kinds of job, and what results and failures say: shapes for `bench.shapes.mismatch`."""

from typing import Any

COST = {"images": float, "flops": float, "seconds": float, "energy_joules?": (float, type(None))}
DESCRIBED = {"*": {"bytes": int, "mtime_ns": int, "sha256": str}}
EPOCH = {name: (float, type(None)) for name in ("epoch", "step", "images", "loss", "lr")}
COMMON = {
    "cost": COST,
    "restarts": int,
    "needs": [str],
    "artifacts": DESCRIBED,
    "cleaned?": DESCRIBED,  # artifacts that `bench clean` has removed
    "replaced?": DESCRIBED,  # of these, what was made again otherwise
    **{f"{name}?": int for name in ("peak_memory_bytes", "workers_on_device", "devices", "threads", "engine")},
    **{
        f"{name}?": str
        for name in ("device", "git_sha", "torch", "timm", "started_at", "device_name", "host", "python")
    },
    "git_dirty?": (bool, type(None)),
    "training?": {"*": [EPOCH]},
    "unmetered?": int,
    "head_used?": str,
    "vouched?": str,
    "normalise?": dict,
}
SCORES = dict.fromkeys(("top1", "top5", "loss", "val_top1"), float)
MEASURED = ("images", "flops", "seconds", "top1", "val_top1", "loss")
POINT = {"epoch": float, "step": int, **{f"{name}?": (float, type(None)) for name in MEASURED}}
# Kind of job -> what its result says, in the order of the flow: a job comes after the kinds that it needs.
RESULTS: dict[str, dict[str, Any]] = {
    "ancestor": COMMON | SCORES | {"params": int, "classes": (str, type(None)), "spec?": dict, "timm_model?": str},
    "learngene": COMMON | {"stored_params": int, "stored_params_head?": int, "stored_bytes": int},
    "start": COMMON | {"teacher_params": int},
    "run": COMMON
    | SCORES
    | {
        "params": int,
        "epochs": float,
        "top1_init": float,
        "best_top1": float,
        "init_cost": COST,
        "train_cost": COST | {"eval_seconds?": (float, type(None))},
        "teacher_params?": int,
        "best_epoch?": (float, type(None)),
        "tuned?": {"lr": float, "*": object},
        "evals": [POINT],
    },
}
KINDS = tuple(RESULTS)
FAILED = {"error": str, "kind?": str, "time?": float, "traceback?": str}

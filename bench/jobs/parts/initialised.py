"""Targets with their starting weights: made by a method, or read from a start."""

from typing import Any

from safetensors.torch import load_file
from torch import nn

from bench.jobs.inputs import MethodInput
from bench.jobs.parts.artifacts import START_FILE
from bench.jobs.parts.context import Context
from bench.jobs.parts.watch import same_code
from methods.vit import VitSpec


def initialised(
    context: Context, method: MethodInput, learngene: str, spec: VitSpec, no_fit: str = ""
) -> tuple[nn.Module, dict[str, Any]]:
    """A target initialised by a method, and the parameters of a teacher that `initialize` used.

    no_fit: why `initialize` may not train; see JobLab.
    """
    gene, target = context.learngene(learngene), context.fresh(spec)
    lab = context.lab(no_fit=no_fit)
    with same_code(method, "initialize"):
        context.timed("initialize", lambda: method.initializer().initialize(target, gene, lab))
    teacher = lab.teacher() if "teacher" in context.session.seen else None
    target.to(context.session.device).requires_grad_(True)
    return target, {"teacher_params": sum(p.numel() for p in teacher.parameters()) if teacher else 0}


def started(context: Context, start: str, spec: VitSpec) -> tuple[nn.Module, dict[str, Any]]:
    """A target with the weights of a start, and the parameters of a teacher that went into them."""
    result, target = context.result("start", start), context.fresh(spec)
    target.load_state_dict(load_file(str(context.store.job_dir("start", start).path / START_FILE)))
    return target, {"teacher_params": result["teacher_params"]}

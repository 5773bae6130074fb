"""Targets with their starting weights: made by a method, or read from a start."""

from collections.abc import Mapping
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from bench.jobs.inputs import MethodInput
from bench.jobs.model import START_FILE
from bench.jobs.parts.context import Context
from bench.jobs.parts.watch import same_code
from bench.train.modules import place
from methods import Learngene
from methods.base import HEAD
from methods.vit import VitSpec

State = Mapping[str, Tensor]


def initialised(
    context: Context, method: MethodInput, learngene: str, spec: VitSpec, no_fit: str = ""
) -> tuple[nn.Module, dict[str, Any]]:
    """A target initialised by a method; the parameters of a teacher that `initialize` used, what became of the head.

    no_fit: why `initialize` may not train; see JobLab.
    """
    gene, target = context.learngene(learngene), context.fresh(spec)
    lab = context.lab(no_fit=no_fit)
    drawn = {name: tensor.clone() for name, tensor in head_of(target).items()}
    with same_code(method, "initialize"):
        initializer = method.initializer()
        context.timed("initialize", lambda: initializer.initialize(target, gene, lab))
    teacher = lab.teacher() if "teacher" in context.session.seen else None
    place(target, context.session.device).requires_grad_(True)
    return target, {
        "teacher_params": sum(p.numel() for p in teacher.parameters()) if teacher else 0,
        "head_used": head_used(drawn, head_of(target), gene, may=initializer.head_transfers(gene, lab)),
    }


def head_of(target: nn.Module) -> State:
    """Name -> tensor of a ViT's head; the state of all else takes a millisecond to ask for."""
    head = target.get_submodule("head")
    return {name: tensor for name, tensor in head.state_dict(prefix="head.").items() if name in HEAD}


def head_used(drawn: State, filled: State, gene: Learngene, *, may: bool) -> str:
    """What a method did, whatever was wished: `transfer` where the head of the target came from the learngene.

    drawn, filled: the target's head before and after. may: whether the method holds that the head may transfer. A head
    that was trained or drawn anew without it is `fresh`, a stored one that stands in the target is not, in any case.
    """
    stored = [tensor for name, tensor in gene.tensors.items() if Learngene.is_head(name)]
    if all(filled[name].equal(tensor) for name, tensor in drawn.items()) or not stored:
        return "fresh"
    weight = filled[HEAD[0]].cpu()
    return "transfer" if may or any(weight.equal(tensor) for tensor in stored) else "fresh"


def started(context: Context, start: str, spec: VitSpec) -> tuple[nn.Module, dict[str, Any]]:
    """A target with the weights of a start, and what is known of how that was made: see `initialised`."""
    result, target = context.result("start", start), context.fresh(spec)
    target.load_state_dict(load_file(str(context.artifact("start", start, START_FILE))))
    return target, {name: result[name] for name in ("teacher_params", "head_used") if name in result}

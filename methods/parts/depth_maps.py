"""Which block of the ancestor each block of a target copies, and the copying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from methods.parts.reindex import uniform
from methods.parts.roles import block_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Up = Literal[
    "g_stack", "stackbert", "interleave", "gradual_stack", "solar", "bert2bert_depth", "llama_pro", "double_last"
]
Down = Literal["g_stack", "stackbert", "interleave", "first", "last", "spaced", "symmetric", "shuffled"]

UP, DOWN = get_args(Up), get_args(Down)  # what grows depth, what cuts it; some do both


def blocks(
    kind: str, have: int, want: int, *, drop: int | None = None, draw: torch.Generator | None = None
) -> list[int]:
    """The source block of each of `want` target blocks, of `have` that the ancestor has; at equal depth block by block.

    g_stack, stackbert: whole copies from the start, i mod L. interleave: floor(i L / L'), each block several times.
    gradual_stack: all, then the last L' - L again. solar: all but the last `drop`, then from block `drop` on (by
    default as many are dropped as L' allows). bert2bert_depth: whole copies, then the last L' mod L blocks.
    llama_pro: e = L' - L extra blocks, one behind block floor((j + 1) L / e) - 1 each, a copy of it. double_last: the
    last L' - L blocks twice each, side by side. first, last: those. spaced: weight selection's uniform rule.
    symmetric: the first ceil(L' / 2) and the last floor(L' / 2). shuffled: blocks and order drawn from `draw`.
    Raises ValueError where `unservable` has a reason.
    """
    if reason := unservable(kind, have, want, drop=drop):
        raise ValueError(reason)
    extra, every = want - have, list(range(have))
    if extra == 0:
        return every
    if kind in ("g_stack", "stackbert"):
        return [i % have for i in range(want)]
    if kind == "interleave":
        return [i * have // want for i in range(want)]
    if kind == "gradual_stack":
        return every + every[have - extra :]
    if kind == "solar":
        k = (2 * have - want) // 2 if drop is None else drop
        return every[: have - k] + every[k : k + extra] + every[have - k :]
    if kind == "bert2bert_depth":
        return every * (want // have) + every[have - want % have :]
    if kind == "llama_pro":
        behind = {(j + 1) * have // extra - 1 for j in range(extra)}
        return [i for i in every for _ in range(1 + (i in behind))]
    if kind == "double_last":
        return [i for i in every for _ in range(1 + (i >= have - extra))]
    if kind == "first":
        return every[:want]
    if kind == "last":
        return every[have - want :]
    if kind == "spaced":
        return uniform(have, want).tolist()
    if kind == "symmetric":
        return every[: want - want // 2] + every[have - want // 2 :]
    import torch

    return torch.randperm(have, generator=draw)[:want].tolist()


def unservable(kind: str, have: int, want: int, *, drop: int | None = None) -> str | None:
    """Why a map of that kind cannot make `want` blocks of `have`, or None."""
    if kind not in (*UP, *DOWN):
        raise ValueError(f"unknown depth map {kind!r}; expected one of {', '.join(dict.fromkeys((*UP, *DOWN)))}")
    if want > have and kind not in UP:
        return f"{kind} cannot grow depth: ancestor {have}, target {want}"
    if want < have and kind not in DOWN:
        return f"{kind} cannot shrink depth: ancestor {have}, target {want}"
    most = 2 * have - 2 * (drop or 0) if kind == "solar" else 2 * have
    if want > max(most, have) and kind in ("gradual_stack", "solar", "llama_pro", "double_last"):
        return f"{kind} makes at most {max(most, have)} blocks of {have}: target {want}"
    return None


def stack(state: Mapping[str, Tensor], sources: Sequence[int], *, zero_copies: bool = False) -> dict[str, Tensor]:
    """The state dict whose block i is block `sources[i]` of `state`; all else as it is.

    zero_copies: every block but the first with a given source adds nothing to the stream: weights and biases of its
    proj and fc2 are zero.
    """
    import torch

    outside = {name: tensor for name, tensor in state.items() if block_of(name)[0] is None}
    inside: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        block, key = block_of(name)
        if block is not None:
            inside.setdefault(block, {})[key] = tensor
    result = dict(outside)
    for i, source in enumerate(sources):
        silent = zero_copies and source in sources[:i]
        for key, tensor in inside[source].items():
            writes = key.startswith(("attn.proj.", "mlp.fc2."))
            result[f"blocks.{i}.{key}"] = torch.zeros_like(tensor) if silent and writes else tensor
    return result


def relayered(
    state: Mapping[str, Tensor], kind: str, have: int, want: int, draw: torch.Generator | None = None
) -> dict[str, Tensor]:
    """`state` of `have` blocks with `want` blocks by the map `kind`; the copies that llama_pro adds are zero."""
    return stack(state, blocks(kind, have, want, draw=draw), zero_copies=kind == "llama_pro")

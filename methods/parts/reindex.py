"""Selection and growth as one operator: every tensor of the target takes entries of the ancestor's by index maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.parts.roles import block_of, is_norm, reads, roles
from methods.vit import VitSpec, mismatch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Map:
    """Which old index each new one takes, [new], and a factor, one number or [new].

    The factor multiplies the columns of matrices that read the role; that of the channels of q and k multiplies both.
    """

    index: Tensor
    factor: Tensor | float = 1.0


@dataclass(frozen=True)
class BlockMaps:
    """The maps within one block: heads, channels of a head (q and k share one, v and proj the other), hidden units."""

    heads: Map
    qk: Map
    v: Map
    hidden: Map


@dataclass(frozen=True)
class Maps:
    """The maps of a whole net: one for the residual stream, and those of each block.

    head_dim: channels of a head of the old net.
    write:    factor on what writes the stream (patch embedding, positions, class token, proj and fc2, with biases).
    norm:     factor on the weights of norms.
    """

    stream: Map
    blocks: Sequence[BlockMaps]
    head_dim: int
    write: float = 1.0
    norm: float = 1.0


MakeMap = Callable[[int, int], Map]


def first(n_from: int, n_to: int) -> Map:
    """The first `n_to` indices."""
    import torch

    return Map(torch.arange(n_to))


def shared(index: Tensor) -> Map:
    """A map onto all old indices whose columns are divided by the number of times that an old one is taken."""
    import torch

    return Map(index, 1 / torch.bincount(index)[index].double())


def cyclic(n_from: int, n_to: int) -> Map:
    """i mod `n_from`, shared."""
    import torch

    return shared(torch.arange(n_to) % n_from)


def uniform(n_from: int, n_to: int) -> Tensor:
    """`n_to` of `n_from` indices, evenly spaced: a stride where it divides, else torch's linspace, rounded.

    In float32, whose rounding decides ties such as 48 -> 23: integer arithmetic gives other indices there.
    """
    import torch

    if n_from % n_to == 0:
        return torch.arange(0, n_from, n_from // n_to)
    return torch.linspace(0, n_from - 1, n_to, dtype=torch.float32).round().long()


def make_maps(
    ancestor: VitSpec, target: VitSpec, stream: MakeMap, heads: MakeMap, channels: MakeMap, hidden: MakeMap
) -> Maps:
    """The maps between two sizes, each role by a function of (old size, new size); depth stays the ancestor's."""
    blocks = [
        BlockMaps(
            heads(ancestor.num_heads, target.num_heads),
            channels(ancestor.head_dim, target.head_dim),
            channels(ancestor.head_dim, target.head_dim),
            hidden(ancestor.hidden_dim, target.hidden_dim),
        )
        for _ in range(ancestor.depth)
    ]
    return Maps(stream(ancestor.embed_dim, target.embed_dim), blocks, ancestor.head_dim)


def prefix(ancestor: VitSpec, target: VitSpec) -> Maps:
    """The first channels, heads and units."""
    return make_maps(ancestor, target, first, first, first, first)


def head_major(heads: Map, within: Map, head_dim: int) -> Map:
    """The map of the attention channels: all channels `within` a head of `head_dim`, head by head."""
    import torch

    factors = [torch.as_tensor(m.factor, dtype=torch.double).expand(len(m.index)) for m in (heads, within)]
    index = heads.index[:, None] * head_dim + within.index
    return Map(index.flatten(), (factors[0][:, None] * factors[1]).flatten())


def thirds(q: Tensor, k: Tensor, v: Tensor, width: int) -> Tensor:
    """Rows of the fused qkv of `width` channels each that hold those channels of q, k and v."""
    import torch

    return torch.cat([q, k + width, v + 2 * width])


def scaled(tensor: Tensor, factor: Tensor | float, dim: int) -> Tensor:
    """`tensor` times one number, or times [n] numbers along `dim`, in its own type."""
    import torch

    if isinstance(factor, torch.Tensor):
        shape = [-1 if d == dim else 1 for d in range(tensor.ndim)]
        return tensor * factor.to(tensor).view(shape)
    return tensor if factor == 1 else tensor * factor


def reindex(state: Mapping[str, Tensor], maps: Maps) -> dict[str, Tensor]:
    """The state dict whose every tensor takes its entries from `state` by `maps`, times their factors.

    With W [out, in] and attention channels a, b head by head (q and k; v and proj), stream g, hidden units u, and the
    factors read, write, norm and qk of the maps:
    q, k = qk * W[a][:, g] * read, biases qk * x[a]; v = W[b][:, g] * read, bias x[b]; proj = write * W[g][:, b] * read;
    fc1 = W[u][:, g] * read, bias x[u]; fc2 = write * W[g][:, u] * read; what else writes the stream: write * x[g];
    norms: norm * weight[g], bias[g]; head = W[:, g] * read, its bias kept.
    """
    return {name: _reindexed(name, tensor, maps) for name, tensor in state.items()}


def _reindexed(name: str, tensor: Tensor, maps: Maps) -> Tensor:
    block = block_of(name)[0]
    for dim, role in enumerate(roles(name)):
        axis = _axis(role, tensor.shape[dim], maps, None if block is None else maps.blocks[block])
        if axis is None:
            continue
        tensor = tensor.index_select(dim, axis.index.to(tensor.device))
        if role == "qkv" or reads(name, dim):
            tensor = scaled(tensor, axis.factor, dim)
        elif role == "stream" and not is_norm(name):
            tensor = scaled(tensor, maps.write, dim)
        elif role == "stream" and name.endswith("weight"):
            tensor = scaled(tensor, maps.norm, dim)
    return tensor


def _axis(role: str, size: int, maps: Maps, block: BlockMaps | None) -> Map | None:
    """The map of a dimension of that role with `size` old entries; None: it stays as it is."""
    import torch

    if role == "stream":
        return maps.stream
    if block is None or role not in ("qkv", "attention", "hidden"):
        return None
    if role == "hidden":
        return block.hidden
    v = head_major(block.heads, block.v, maps.head_dim)
    if role == "attention":
        return v
    qk = head_major(Map(block.heads.index), block.qk, maps.head_dim)  # the factors of heads are for proj, which reads
    factors = [torch.as_tensor(f).expand(len(v.index)) for f in (qk.factor, qk.factor, 1.0)]
    return Map(thirds(qk.index, qk.index, v.index, size // 3), torch.cat(factors))


def cannot_grow(ancestor: VitSpec, target: VitSpec) -> str | None:
    """Why a target is no cut of the ancestor with whole heads, or None."""
    return _one_way(ancestor, target, "grow", lambda have, want: want > have, "head_dim")


def cannot_shrink(ancestor: VitSpec, target: VitSpec, same: str = "head_dim") -> str | None:
    """Why a target is no growth of the ancestor with equal `same` (head_dim, or num_heads), or None."""
    return _one_way(ancestor, target, "shrink", lambda have, want: want < have, same)


def _one_way(ancestor: VitSpec, target: VitSpec, verb: str, wrong: Callable[[int, int], bool], same: str) -> str | None:
    for name in ("embed_dim", "depth", "hidden_dim"):
        have, want = getattr(ancestor, name), getattr(target, name)
        if wrong(have, want):
            return f"cannot {verb} {name}: ancestor {have}, target {want}"
    if getattr(ancestor, same) != getattr(target, same):
        return f"cannot change {same}: ancestor {getattr(ancestor, same)}, target {getattr(target, same)}"
    return mismatch(ancestor, target, may_differ=("embed_dim", "num_heads", "mlp_ratio"))

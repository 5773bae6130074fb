"""Re-ordering a network's units so that they match those of another one: weight matching. Imports torch and scipy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from methods.parts.roles import block_of, roles

State = dict[str, Tensor]
GAIN, ROUNDS = 1e-12, 100
UNITS = {"mlp.fc1.weight": 0, "mlp.fc1.bias": 0, "mlp.fc2.weight": 1}


def matched(fixed: Mapping[str, Tensor], moved: Mapping[str, Tensor], heads: int, draw: torch.Generator) -> State:
    """`moved` with its stream, heads, channels within heads and hidden units re-ordered to be most like `fixed`.

    Coordinate descent on the sum of all products of weights that meet: the roles are taken in random order, each gets
    its best permutation while the others stay, until no role gains; at most 100 rounds. The function of the net stays.
    """
    a = {name: t.double().cpu() for name, t in fixed.items()}
    b = {name: t.double().cpu() for name, t in moved.items()}
    blocks = sorted({block for name in b if (block := block_of(name)[0]) is not None})
    stream = {name: roles(name).index("stream") for name in b if "stream" in roles(name)}
    steps: list[Callable[[], bool]] = [lambda: match_axes(a, b, stream)]
    for i in blocks:
        units = {f"blocks.{i}.{key}": axis for key, axis in UNITS.items()}
        steps.append(lambda units=units: match_axes(a, b, units))  # type: ignore[misc]
        steps.append(lambda i=i: match_heads(a, b, f"blocks.{i}.attn", heads))  # type: ignore[misc]
    for _ in range(ROUNDS):
        gains = [steps[i]() for i in torch.randperm(len(steps), generator=draw).tolist()]
        if not any(gains):
            break
    return {name: b[name].to(t) for name, t in moved.items()}


def match_axes(a: State, b: State, axes: Mapping[str, int]) -> bool:
    """Re-order `b` in place along those axes by the best permutation; whether that gained.

    A tensor of another shape, which only a head of other classes is, is not compared.
    """
    alike = {name: axis for name, axis in axes.items() if a[name].shape == b[name].shape}
    total = sum(_rows(a[name], axis) @ _rows(b[name], axis).T for name, axis in alike.items())
    assert isinstance(total, Tensor)
    order, value = best(total)
    if value <= float(total.trace()) + GAIN:
        return False
    for name, axis in axes.items():
        b[name] = b[name].index_select(axis, order)
    return True


def match_heads(a: State, b: State, name: str, heads: int) -> bool:
    """Re-order heads, and in each the channels of q and k and those of v and proj, in place; whether that gained.

    The value of a pair of heads is that of the best orders of their channels.
    """
    qk, v = (torch.stack([torch.stack(row) for row in part]) for part in _products(a, b, name, heads))
    inner = [[(best(qk[i, j]), best(v[i, j])) for j in range(heads)] for i in range(heads)]
    outer, value = best(torch.tensor([[one[1] + two[1] for one, two in row] for row in inner], dtype=torch.float64))
    before = sum(float(qk[i, i].trace() + v[i, i].trace()) for i in range(heads))
    if value <= before + GAIN:
        return False
    size = qk.shape[-1]
    pairs = [(int(j), *inner[i][int(j)]) for i, j in enumerate(outer)]
    rows_qk = torch.cat([j * size + one[0] for j, one, _ in pairs])
    rows_v = torch.cat([j * size + two[0] for j, _, two in pairs])
    width = heads * size
    rows = torch.cat([rows_qk, rows_qk + width, rows_v + 2 * width])
    for kind in ("weight", "bias"):
        b[f"{name}.qkv.{kind}"] = b[f"{name}.qkv.{kind}"][rows]
    b[f"{name}.proj.weight"] = b[f"{name}.proj.weight"][:, rows_v]
    return True


def _products(a: State, b: State, name: str, heads: int) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """For each pair of heads the products [c, c] of their channels: of q and k, and of v and proj."""

    def parts(state: State) -> tuple[list[Tensor], list[Tensor]]:
        weight, bias = state[f"{name}.qkv.weight"], state[f"{name}.qkv.bias"]
        q, k, v = (torch.cat([weight, bias[:, None]], 1)).chunk(3)
        qk, vo = torch.cat([q, k], 1), torch.cat([v, state[f"{name}.proj.weight"].T], 1)
        return list(qk.chunk(heads)), list(vo.chunk(heads))

    (qk_a, v_a), (qk_b, v_b) = parts(a), parts(b)
    return [[x @ y.T for y in qk_b] for x in qk_a], [[x @ y.T for y in v_b] for x in v_a]


def best(values: Tensor) -> tuple[Tensor, float]:
    """The column of each row, all different, with the largest sum of values [n, n]; and that sum."""
    rows, columns = linear_sum_assignment(values.numpy(), maximize=True)
    return torch.from_numpy(columns), float(values[rows, columns].sum())


def _rows(tensor: Tensor, axis: int) -> Tensor:
    return tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1)

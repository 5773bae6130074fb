"""Growth by maps written a second time: full matrices [I; F], and products by loops in Python's floats."""

from __future__ import annotations

import torch

PATHS = {"norm1": "norm1", "q": "attn.qkv", "k": "attn.qkv", "v": "attn.qkv", "proj": "attn.proj"}
PATHS |= {"norm2": "norm2", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}
WRITES = {"norm1": "emb", "q": "q", "k": "k", "v": "v", "proj": "emb", "norm2": "emb", "fc1": "ffn", "fc2": "emb"}
READS = {"q": "emb", "k": "emb", "v": "emb", "proj": "v", "fc1": "emb", "fc2": "ffn"}
KINDS = ("weight", "bias")


def rows(tensor):
    """A tensor as a list of rows; a vector as rows of one number."""
    return tensor.double().reshape(len(tensor), -1).tolist()


def part_of(state, block, module, kind):
    """A module's rows in a block of a timm state dict; q, k and v are thirds of the fused rows."""
    fused = rows(state[f"blocks.{block}.{PATHS[module]}.{kind}"])
    if module not in "qkv":
        return fused
    d, i = len(fused) // 3, "qkv".index(module)
    return fused[i * d : (i + 1) * d]


def times(a, b):
    """The product of two lists of rows."""
    return [[sum(x * b[k][j] for k, x in enumerate(row) if x) for j in range(len(b[0]))] for row in a]


def transposed(a):
    return [list(column) for column in zip(*a, strict=True)]


def extension(new, size):
    """[I; F]; of nothing new I alone."""
    identity = [[float(i == j) for j in range(size)] for i in range(size)]
    return identity + (new.double().tolist() if new is not None else [])


def sum_of(weights, matrices):
    """Sum of weighted matrices, number by number."""
    shape = range(len(matrices[0])), range(len(matrices[0][0]))
    return [[sum(w * m[i][j] for w, m in zip(weights, matrices, strict=True)) for j in shape[1]] for i in shape[0]]


def grown_part(matrix, module, kind, maps):
    """[I; B] W [I; A]^T; maps: name -> F or None."""
    out = times(extension(maps[WRITES[module]], len(matrix)), matrix)
    if kind == "bias" or module not in READS:
        return out
    reads = extension(maps[READS[module]], len(matrix[0]))
    return times(out, transposed(reads))


def close(actual, expected, atol=2e-6):
    """Whether rows equal a tensor, told relative to the numbers' size."""
    expected = torch.tensor(expected, dtype=torch.float64)
    return torch.allclose(
        torch.tensor(rows(actual) if torch.is_tensor(actual) else actual, dtype=torch.float64),
        expected,
        rtol=2e-6,
        atol=atol * max(1.0, expected.abs().max().item()),
    )


def grown_rest(state, emb, head):
    """What is outside of the blocks; `emb`, `head`: F or None."""
    result = {}
    for name, tensor in state.items():
        if name.startswith("blocks."):
            continue
        if name in ("pos_embed", "cls_token"):
            result[name] = times(rows(tensor[0]), transposed(extension(emb, tensor.shape[-1])))
        elif name == "head.weight":
            result[name] = times(rows(tensor), transposed(extension(head, tensor.shape[1])))
        elif name == "head.bias":
            result[name] = rows(tensor)
        else:
            result[name] = times(extension(emb, len(tensor)), rows(tensor))
    return result


def check_rest(target, expected):
    for name, numbers in expected.items():
        tensor = target[name][0] if name in ("pos_embed", "cls_token") else target[name]
        assert close(tensor, numbers), name

"""Linear operators that change the length of an axis: cosine series and Haar wavelets. Imports torch and scipy."""

from __future__ import annotations

from collections.abc import Sequence

import scipy.fft
import torch
from torch import Tensor

ROOT_HALF = 0.5**0.5


def dct(tensor: Tensor, dims: Sequence[int]) -> Tensor:
    """The unnormalised DCT-II over each of `dims`, in float64: X_k = sum over n of x_n cos(pi (n + 1/2) k / N)."""
    values = scipy.fft.dctn(tensor.double().cpu().numpy(), type=2, axes=list(dims))
    return torch.from_numpy(values / 2 ** len(dims))


def inverse_dct(tensor: Tensor, dims: Sequence[int]) -> Tensor:
    """The exact inverse of `dct` at the lengths that `tensor` has, in float64."""
    values = scipy.fft.idctn(tensor.double().cpu().numpy(), type=2, axes=list(dims))
    return torch.from_numpy(values * 2 ** len(dims))


def cut_or_pad(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """The first entries of each axis, with zeros behind them where the axis gets longer."""
    result = tensor.new_zeros(tuple(shape))
    corner = tuple(slice(min(have, want)) for have, want in zip(tensor.shape, shape, strict=True))
    result[corner] = tensor[corner]
    return result


def halved(tensor: Tensor, dim: int, factor: float) -> Tensor:
    """`factor` times the sum of each pair of neighbours along `dim`, half as long."""
    return (tensor.unflatten(dim, (-1, 2)) * factor).sum(dim + 1)


def doubled(tensor: Tensor, dim: int, factor: float) -> Tensor:
    """Each entry along `dim` twice, times `factor`: twice as long."""
    return tensor.repeat_interleave(2, dim) * factor


def by_halves(tensor: Tensor, shape: Sequence[int], *, orthonormal: bool) -> Tensor:
    """`tensor` at `shape`, each of whose axes is longer or shorter by a power of two; keeps the dtype.

    orthonormal: one level down is the Haar low-pass (a + b) / sqrt(2), one up its inverse with details of zero; else
        the mean (a + b) / 2, and repetition. Down after up is the identity in both.
    Raises ValueError for an axis whose lengths are no power of two apart.
    """
    result = tensor.double()
    for dim, want in enumerate(shape):
        have = result.shape[dim]
        short, long = sorted((have, want))
        if long % short or (long // short).bit_count() != 1:
            raise ValueError(f"axis {dim} is {have} long and cannot become {want}: no power of two apart")
        while result.shape[dim] > want:
            result = halved(result, dim, ROOT_HALF if orthonormal else 0.5)
        while result.shape[dim] < want:
            result = doubled(result, dim, ROOT_HALF if orthonormal else 1.0)
    return result.to(tensor.dtype)

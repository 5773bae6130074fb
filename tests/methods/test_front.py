"""FRONT: every tensor against sums of cosines, equal sizes, amplitudes, and what is stored."""

import math
from functools import cache

import numpy as np
import pytest
import torch

import methods
from methods import front
from methods.parts import resample
from methods.testing import check_initializer, perturbed, state
from methods.vit import build_vit, spec_of
from tests.methods.tinylab import SPEC, TinyLab

SMALL = SPEC.replace(embed_dim=12, num_heads=3, depth=3, mlp_ratio=2.0, patch_size=4)
TARGETS = {
    "equal": SMALL,
    "shallower": SMALL.replace(depth=1),
    "deeper": SMALL.replace(depth=5),
    "narrower": SMALL.replace(embed_dim=8, num_heads=2),
    "wider": SMALL.replace(embed_dim=20, num_heads=5, mlp_ratio=1.5),
    "all": SMALL.replace(embed_dim=16, num_heads=4, depth=2, mlp_ratio=3.0),
}


def filled(spec, target, lab=None, **options):
    """The state dict of a target, in float64, from a perturbed ancestor of the size `spec`."""
    ancestor = perturbed(spec, seed=1).double()
    init = methods.get("front", **options).resolve(spec, [target])
    model = build_vit(target).double()
    init.initialize(model, init.condense(ancestor, lab), lab)
    return state(ancestor), state(model)


@cache  # the same few, for each tensor of each target
def cosines(n_from, n_to, kept):
    """[n_to, n_from]: an unnormalised DCT-II of n_from entries, the first `kept` frequencies of it, and the inverse at
    n_to entries: x_m = X_0 / n_to + 2 / n_to * sum over k > 0 of X_k cos(pi (m + 1/2) k / n_to)."""
    out = np.zeros((n_to, n_from))
    for m in range(n_to):
        for n in range(n_from):
            for k in range(min(n_from, n_to, kept)):
                forward = math.cos(math.pi * (n + 0.5) * k / n_from)
                backward = math.cos(math.pi * (m + 0.5) * k / n_to)
                out[m, n] += forward * backward * (1 if k == 0 else 2) / n_to
    return out


def plainly(ancestor, shapes, depth, new_depth, *, preserve=False, keep=1.0, mlp="2d"):
    """The rule as the atlas has it, tensor by tensor in numpy."""

    def axis(n_from, n_to):
        change = cosines(n_from, n_to, math.ceil(keep * n_from))
        return change * (n_to / n_from if preserve else 1)

    def raw(n_from, n_to):
        return np.eye(n_to, n_from)

    def normal(w):
        return (w - w.mean()) / (w.std(ddof=1) + 1e-8)

    result = {}
    for name, shape in shapes.items():
        key = name.split(".", 2)[2] if name.startswith("blocks.") else name
        if name.startswith("blocks."):
            layers = [ancestor[f"blocks.{i}.{key}"].numpy() for i in range(depth)]
            stack, over = np.stack([normal(w) for w in layers]), axis(depth, new_depth)
            i = int(name.split(".")[1])
            w, like = np.tensordot(over[i], stack, 1), layers[min(i, depth - 1)]
        else:
            like = ancestor[name].numpy()
            w = normal(like)
            w = w.reshape(len(w), -1) if w.ndim == 4 else w[0] if w.ndim == 3 else w
        rows, columns = (raw if mlp == "1d" and key == f"mlp.{x}.weight" else axis for x in ("fc2", "fc1"))
        want = (shape[0], math.prod(shape[1:])) if len(shape) == 4 else shape[1:] if len(shape) == 3 else shape
        w = rows(len(w), want[0]) @ w
        if w.ndim == 2:
            w = w @ columns(w.shape[1], want[1]).T
        result[name] = (w * like.std(ddof=1) + like.mean()).reshape(shape)
    return result


def furthest(ancestor, got, spec, target, **options):
    """The largest difference from the rule, over all tensors but the head."""
    shapes = {name: tuple(t.shape) for name, t in got.items() if not name.startswith("head")}
    expected = plainly(ancestor, shapes, spec.depth, target.depth, **options)
    return max(np.abs(got[name].numpy() - w).max() for name, w in expected.items())


@pytest.mark.parametrize("options", [{}, {"gain": "preserve"}, {"keep": 0.6}, {"mlp": "1d"}])
@pytest.mark.parametrize("size", TARGETS)
def test_the_rule_by_sums_of_cosines(size, options):
    ancestor, got = filled(SMALL, TARGETS[size], **options)
    plain = {name: value for name, value in options.items() if name != "gain"}
    assert furthest(ancestor, got, SMALL, TARGETS[size], preserve="gain" in options, **plain) < 1e-6


@pytest.mark.parametrize("mistake", ["eps", "depth", "layers", "gain"])
def test_a_mistake_is_seen(mistake, monkeypatch):
    options, size = {}, "deeper"
    if mistake == "eps":
        monkeypatch.setattr(front, "EPS", 1e-2)
    elif mistake == "depth":  # the tensors of blocks are not transformed over depth
        right = front.axes
        monkeypatch.setattr(front, "axes", lambda n, s, m: right(n, s, m)[1 if n.startswith("blocks.") else 0 :])
    elif mistake == "layers":  # mean and deviation of the first block for all
        monkeypatch.setattr(torch.Tensor, "clamp", lambda self, max: self * 0)
    else:
        options["gain"] = "preserve"
    ancestor, got = filled(SMALL, TARGETS[size], **options)
    assert furthest(ancestor, got, SMALL, TARGETS[size]) > 1e-4


def test_an_equal_size_is_the_ancestor():
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-6)):
        ancestor, target = perturbed(SMALL, seed=1).to(dtype), build_vit(SMALL).to(dtype)
        init, lab = methods.get("front"), TinyLab()
        init.initialize(target, init.condense(ancestor, lab), lab)
        for name, tensor in state(ancestor).items():
            assert target.state_dict()[name].dtype == dtype
            assert torch.allclose(target.state_dict()[name], tensor, atol=tolerance, rtol=0), name


def test_constants_are_multiplied_by_the_ratio_of_the_lengths():
    """12 entries of 1 become 4 of 3, and of 1 where the gain is undone."""
    four = resample.cut_or_pad(resample.dct(torch.ones(12), (0,)), (4,))
    assert torch.allclose(resample.inverse_dct(four, (0,)), torch.full((4,), 3.0, dtype=torch.float64))
    spec, name, deviation = SMALL.replace(depth=12), "blocks.0.attn.qkv.weight", {}
    for gain in ("reference", "preserve"):
        ancestor, got = filled(spec, spec.replace(depth=4), gain=gain)
        deviation[gain] = got[name] - ancestor[name].mean()
    assert torch.allclose(deviation["reference"], 3 * deviation["preserve"])


@pytest.mark.parametrize(
    ("width", "heads", "expected"), [(192, 3, 5_524_032), (384, 6, 21_664_896), (768, 12, 85_797_120)]
)
def test_what_is_stored(width, heads, expected):
    """All of the ancestor but the head where the family reaches its size, and two numbers for each of its tensors."""
    spec = SPEC.replace(embed_dim=width, num_heads=heads, depth=12, patch_size=16, img_size=224, in_chans=3)
    box = methods.get("front").resolve(spec, [spec.replace(depth=4), spec.replace(embed_dim=64, num_heads=1)]).box
    assert box == {"embed_dim": width, "depth": 12, "num_heads": heads, "mlp_ratio": 4.0}
    shapes = front.shapes_of(spec.replace(**box))
    numbers = 2 * sum(not name.startswith("head") for name in shapes)
    assert numbers == 2 * (12 * 12 + 5)
    assert sum(math.prod(s) for n, s in shapes.items() if not n.startswith("head")) == expected
    if width == 192:
        learngene = methods.get("front").condense(build_vit(spec), None)
        assert (learngene.stored_params, learngene.stored_params_head) == (expected + numbers, 5 * 192 + 5 + 4)
        some = methods.get("front").resolve(spec, [spec.replace(embed_dim=64, num_heads=1, depth=20)])
        block, rest = 12 * 64**2 + 13 * 64, 967 * 64
        assert some.condense(build_vit(spec), None).stored_params == 12 * block + rest + numbers


def test_the_box_is_part_of_what_serves_a_family():
    """Targets get the same weights from a box of their size as from all coefficients."""
    target, whole = TARGETS["narrower"], filled(SMALL, TARGETS["narrower"], box=None)[1]
    init, model = methods.get("front"), build_vit(target).double()
    model.load_state_dict(whole)
    init.initialize(model, init.condense(perturbed(SMALL, seed=1).double(), None), None)
    assert all(torch.allclose(t, whole[name]) for name, t in model.state_dict().items())


@pytest.mark.parametrize("size", [name for name in TARGETS if name != "equal"])
def test_the_contract(size):
    assert spec_of(build_vit(TARGETS[size])) == TARGETS[size]
    check_initializer(methods.get("front"), SMALL, TARGETS[size], TinyLab)


def test_what_is_not_served():
    init = methods.get("front")
    assert "cannot change head_dim: ancestor 4, target 6" in init.supports(SMALL, SMALL.replace(num_heads=2))
    assert "img_size" in init.supports(SMALL, SMALL.replace(img_size=16))
    with pytest.raises(ValueError, match="Front: cannot change head_dim"):
        init.initialize(build_vit(SMALL.replace(num_heads=2)), init.condense(perturbed(SMALL, 1), None), None)
    with pytest.raises(ValueError, match="keep must be above 0"):
        methods.get("front", keep=0.0)

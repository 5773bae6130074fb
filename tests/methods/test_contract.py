"""The contract, run on every method of the package."""

import pytest
import torch

import methods
from methods.base import HEAD
from methods.registry import METHODS
from methods.testing import check_documented, check_initializer, check_light, check_size, sizes_around
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab

ANCESTOR = SPEC.replace(depth=6)
SIZES = sizes_around(ANCESTOR)

# Options where the defaults do not fit so small a model; a method that is not named here runs with its defaults.
FEW = {"images": 20}
OPTIONS = {"wave": {"template_size": 16}, "subcloning": FEW, "pca": FEW, "cluster_learngene": FEW}

# The sizes that a method serves, with the default options: no method stops serving one unnoticed.
ANY = set(SIZES)
DEPTH = {"equal", "shallower", "deeper"}
SMALLER = {"equal", "shallower", "narrower"}
LARGER = {"equal", "deeper", "wider"}
SERVES = {
    "random": ANY,
    "weight_selection": SMALLER,
    "front": ANY,
    "bot": {"equal", "narrower", "wider"},  # here no other depth is a power of two away
    "cluster_learngene": DEPTH,
    "merge": SMALLER,  # as what it goes on with, weight_selection
    "supernet": SMALLER,
    "sws": DEPTH,
    "mixture_growth": ANY,
    "wave": ANY,
    "tleg": DEPTH,
    "fine": DEPTH,
    "lets": {*DEPTH, "narrower"},  # up to the gene's width
    "ligo": LARGER | DEPTH,
    "mimetic": ANY,
    "impulse": ANY,
    "conditioned": ANY,
    "dct_attention": ANY,
    "lsuv": ANY,
    "depth_map": DEPTH,
    "heur_lg": DEPTH,
    "auto_lg": DEPTH,
    "hypercloning": LARGER,
    "lemon": LARGER,
    "bert2bert": LARGER,
    "net2net": LARGER,
    "pruning": SMALLER,
    "subcloning": SMALLER,
    "pca": SMALLER,
    "scrambled": SMALLER,
}

# Tensors that deliberately keep timm's fresh initialisation, with the default options and equal class lists; with a
# method that is not named here none does.
with torch.device("meta"):
    NAMES = {size: set(build_vit(spec).state_dict()) for size, spec in SIZES.items()}
EVERYTHING = NAMES["deeper"]
FRESH = {
    "random": lambda depth: EVERYTHING,
    "weight_selection": lambda depth: set(HEAD),
    "heur_lg": lambda depth: {*HEAD, *in_blocks(range(depth - 3))},
    "auto_lg": lambda depth: {*HEAD, *in_blocks(range(6, depth))},
    "scrambled": lambda depth: set(HEAD),
    "mimetic": lambda depth: all_but("attn.qkv.weight", "attn.proj.weight"),
    "impulse": lambda depth: all_but("attn.qkv.weight", "attn.proj.weight", "pos_embed"),
    "conditioned": lambda depth: all_but("attn.qkv.weight"),
    "dct_attention": lambda depth: all_but("attn.qkv.weight"),
    "lsuv": lambda depth: set(HEAD),
}


def all_but(*ends):
    """The names of the tensors that do not end so."""
    return {n for n in EVERYTHING if not n.endswith(ends)}


def in_blocks(blocks):
    """The names of the tensors in these blocks."""
    return {n for n in EVERYTHING if n.startswith("blocks.") and int(n.split(".")[1]) in blocks}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", methods.names())
def test_the_contract(name, size):
    """A size that a method serves passes all checks; one that it does not serve is refused with a reason."""
    assert name in SERVES, (
        f"expected {name} in SERVES with the sizes that it serves; also in FRESH where it leaves tensors as timm makes "
        "them, and in OPTIONS where its defaults do not fit so small a model"
    )
    origins = check_size(methods.get(name, **OPTIONS.get(name, {})), ANCESTOR, SIZES[size], TinyLab)
    assert (origins is not None) == (size in SERVES[name]), "correct SERVES, or what `supports` of the method says"
    if origins is not None:
        assert set(origins) == NAMES[size]
        fresh = FRESH[name](SIZES[size].depth) & set(origins) if name in FRESH else set()
        assert {n for n, origin in origins.items() if origin == "fresh"} == fresh, "correct FRESH, or the method"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("weight_selection", {"rule": "random", "heads": "whole", "layers": "spaced", "head": "transfer"}),
        ("weight_selection", {"rule": "random", "consistent": False}),
        ("weight_selection", {"rule": "consecutive"}),
        ("sws", {"stages": 3, "alpha": 0.5, "temperature": 2.0, "aux_heads": 1}),
        ("sws", {"head": "fresh"}),
        ("mixture_growth", {"grow": "width", "head": "fresh"}),
        ("mixture_growth", {"seed_depth": 1, "coefficients": "copy"}),
        ("wave", {"template_size": 16, "scalers": "random", "widths": "many"}),
        ("wave", {"template_size": "full", "head": "fresh"}),
        ("random", {"scheme": "jax"}),
        ("random", {"scheme": "moco"}),
    ],
)
def test_the_contract_with_other_options(name, options):
    check_initializer(methods.get(name, **options), ANCESTOR, SIZES["shallower"], TinyLab)


def test_the_contract_with_a_smaller_width():
    target = SPEC.replace(embed_dim=20, num_heads=1, depth=2)
    check_initializer(methods.get("weight_selection"), ANCESTOR, target, TinyLab)


@pytest.mark.parametrize("name", methods.names())
def test_a_version_of_a_target_is_one_that_there_was(name):
    method = methods.get(name, **OPTIONS.get(name, {}))
    assert all(1 <= method.version_of(target) <= method.version for target in (None, *SIZES.values()))


@pytest.mark.parametrize("name", methods.names())
def test_a_method_says_its_source_and_what_was_verified_and_assumed(name):
    check_documented(methods.method_class(name))


def test_reading_about_methods_imports_neither_torch_nor_timm():
    modules = {"methods", "methods.testing", *(entry.partition(":")[0] for entry in METHODS.values())}
    check_light("\n".join(f"import {module}" for module in modules))
    about = "\n".join(
        [
            "import methods",
            "from methods.vit import VitSpec",
            "for name in methods.names():",
            "    init = methods.get(name)",
            "    init.version, init.__doc__",
            "    spec = VitSpec()",
            "    init.version_of(None), init.version_of(spec)",
            "    init.supports(spec, spec), init.family(spec), init.resolve(spec, [spec]).check(spec, spec)",
        ]
    )
    check_light(about)

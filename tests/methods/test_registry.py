"""Names of methods, options, and the hints that a wrong one gets."""

import importlib
import sys

import pytest

import methods
from methods.registry import METHODS


def test_names_are_in_the_order_of_the_tables():
    assert methods.names() == [
        *("random", "weight_selection", "sws", "mixture_growth", "wave"),
        *("depth_map", "heur_lg", "auto_lg", "hypercloning", "lemon", "bert2bert", "net2net"),
        *("pruning", "subcloning", "pca", "scrambled"),
        *("front", "bot", "cluster_learngene", "merge", "supernet"),
    ]


@pytest.mark.parametrize("name", methods.names())
def test_each_name_leads_to_its_class(name):
    cls = methods.method_class(name)
    assert issubclass(cls, methods.Initializer) and METHODS[name] == f"{cls.__module__}:{cls.__name__}"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("wavee", "did you mean 'wave'"), ("weight-selection", "did you mean 'weight_selection'"), ("zzz", "methods: ")],
)
def test_an_unknown_name_gets_the_nearest(wrong, hint):
    with pytest.raises(KeyError, match=hint) as error:
        methods.get(wrong)
    assert all(name in str(error.value) for name in methods.names())
    assert ("did you mean" in str(error.value)) == ("did" in hint)


def test_an_unknown_option_gets_the_nearest():
    with pytest.raises(TypeError, match="random has no option 'shceme'; did you mean 'scheme'") as error:
        methods.get("random", shceme="jax")
    assert "options: head, train, scheme" in str(error.value)
    with pytest.raises(TypeError, match=r"random has no option 'zzz' \("):
        methods.get("random", zzz=1)
    with pytest.raises(TypeError, match="no option 'ancestors'"):
        methods.get("random", ancestors=0)  # a fact of the class, not an option


def test_options_reach_the_class():
    init = methods.get("random", scheme="jax", head="fresh", train={"epochs": 2})
    assert (init.scheme, init.head, init.train) == ("jax", "fresh", {"epochs": 2})


@pytest.fixture
def outside(tmp_path, monkeypatch):
    (tmp_path / "outside_methods.py").write_text(
        "from dataclasses import dataclass\nfrom methods import Initializer\n"
        "@dataclass\nclass Mine(Initializer):\n    size: int = 1\n\nclass Other: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("outside_methods", None)


def test_a_class_from_outside(outside):
    assert methods.get("outside_methods:Mine", size=3).size == 3
    with pytest.raises(TypeError, match="did you mean 'size'"):
        methods.get("outside_methods:Mine", siez=3)


def test_what_is_not_a_method(outside):
    with pytest.raises(TypeError, match="expected a subclass of methods.Initializer"):
        methods.get("outside_methods:Other")
    with pytest.raises(ImportError, match="'outside_methods' has no 'Nothing'"):
        methods.get("outside_methods:Nothing")
    with pytest.raises(ImportError, match="no_such_module"):
        methods.get("no_such_module:Mine")

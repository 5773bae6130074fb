"""Names of methods, options, and the hints that a wrong one gets."""

import importlib
import sys

import pytest

import methods
from methods.registry import METHODS, entries


def test_names_are_in_the_order_of_the_tables():
    names = methods.names()
    assert names[:5] == ["random", "weight_selection", "sws", "mixture_growth", "wave"]
    assert names[-1] == "scrambled" and len(set(names)) == len(names)


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
    assert "options: head, train, scheme, residual" in str(error.value)
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


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function: (package, {name: target}) -> installed with these entry points; its modules are not there."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(package, brought):
        folder = tmp_path / f"{package}-1.2.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        lines = [f"{name} = {target}" for name, target in brought.items()]
        (folder / "entry_points.txt").write_text("\n".join(["[learngene_bench.methods]", *lines]))
        importlib.invalidate_caches()
        entries.cache_clear()

    yield add
    entries.cache_clear()


def test_packages_bring_methods_by_entry_points(install, outside):
    install("mine", {"my_method": "outside_methods:Mine", "lost": "not_there.at_all:Mine"})
    assert {name: (entry.target, entry.package) for name, entry in methods.packaged().items()} == {
        "my_method": ("outside_methods:Mine", "mine 1.2"),
        "lost": ("not_there.at_all:Mine", "mine 1.2"),
    }
    assert "outside_methods" not in sys.modules and "my_method" not in methods.names()
    assert methods.canonical_name("my_method") == "outside_methods:Mine"
    assert methods.get("my_method", size=3).size == 3
    with pytest.raises(ImportError, match="not_there"):
        methods.get("lost")
    with pytest.raises(KeyError, match="did you mean 'my_method'.*methods: random, .*, my_method, or module:Class"):
        methods.get("my_metod")


def test_an_odd_entry_point_hinders_none_but_who_asks_for_it(install, outside):
    install("theirs", {"odd": "no class", "with_extra": "outside_methods:Mine [extra]"})
    assert methods.packaged()["with_extra"].target == "outside_methods:Mine"
    assert methods.get("with_extra", size=3).size == 3
    for ask in (methods.get, methods.canonical_name):
        with pytest.raises(ValueError, match="theirs 1.2 says that 'odd' is 'no class'; expected module:Class"):
            ask("odd")


def test_a_name_that_two_have_is_an_error_that_names_both(install, outside):
    install("mine", {"wave": "outside_methods:Mine", "twice": "outside_methods:Mine"})
    install("theirs", {"twice": "theirs.module:Other"})
    for name, both in {
        "wave": "methods.wave:Wave of this project, outside_methods:Mine of mine 1.2",
        "twice": "outside_methods:Mine of mine 1.2, theirs.module:Other of theirs 1.2",
    }.items():
        for ask in (methods.get, methods.canonical_name):
            with pytest.raises(ValueError, match=f"several methods are named '{name}': {both}; rename"):
                ask(name)
    with pytest.raises(ValueError, match="several methods are named"):
        methods.packaged()
    assert methods.get("sws") and methods.get("outside_methods:Mine").size == 1

"""Heur-LG and Auto-LG: the blocks that keep their place, and nothing else."""

import pytest

import methods
from methods import layer_learngene as module
from methods.testing import perturbed, state
from tests.methods.lively_models import HEADED, lively, model_of, plant, stored_of_deit
from tests.methods.tinylab import TinyLab

PUBLISHED = {"heur_lg": (9, 10, 11), "auto_lg": (0, 1, 2, 3, 4, 5)}  # of 12
CASES = [  # method, blocks, L, L', {target block: ancestor block}
    *[(name, None, 12, 12, dict(zip(places, places, strict=True))) for name, places in PUBLISHED.items()],
    ("heur_lg", None, 12, 5, {2: 9, 3: 10, 4: 11}),
    ("heur_lg", None, 6, 8, {5: 3, 6: 4, 7: 5}),
    ("heur_lg", None, 12, 2, {0: 10, 1: 11}),
    ("heur_lg", 5, 4, 6, {2: 0, 3: 1, 4: 2, 5: 3}),
    ("auto_lg", None, 12, 8, {i: i for i in range(6)}),
    ("auto_lg", None, 12, 4, {i: i for i in range(4)}),
    ("auto_lg", 2, 3, 5, {0: 0, 1: 1}),
]


def check(name, blocks, have, want, places):
    spec, target_spec = HEADED.replace(depth=have), HEADED.replace(depth=want)
    init = methods.get(name, **({"blocks": blocks} if blocks else {}))
    weights, target = lively(spec), perturbed(target_spec, seed=5).double()
    before = state(target)
    learngene = init.condense(model_of(weights, spec), TinyLab())
    stored = {n.split(".")[1] for n in learngene.tensors if n.startswith("blocks.")}
    assert len(stored) == min(init.blocks, have) and "head.weight" not in learngene.tensors
    init.initialize(target, learngene, TinyLab())
    for key, tensor in state(target).items():
        parts = key.split(".")
        if parts[0] == "blocks" and int(parts[1]) in places:
            expected = weights[".".join(["blocks", str(places[int(parts[1])]), *parts[2:]])]
        else:
            expected = before[key] if parts[0] in ("blocks", "head") else weights[key]
        assert tensor.equal(expected), key


@pytest.mark.parametrize("case", CASES)
def test_blocks_keep_their_place_and_the_rest_is_fresh(case):
    check(*case)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("want - 1 - i: have - 1 - i", "want - 1 - i: i"),
        ("{i: i for i in range(count)}", "{i: have - 1 - i for i in range(count)}"),
        ("min(self.blocks, have, want)", "max(1, min(self.blocks, have, want) - 1)"),
    ],
)
def test_a_mistake_is_seen(right, wrong, monkeypatch):
    plant(monkeypatch, module, right, wrong)
    with pytest.raises(AssertionError):
        for case in CASES:
            check(*case)


def test_what_is_stored():
    assert stored_of_deit("heur_lg") == [1_520_256, 5_694_720, 22_006_272]
    assert stored_of_deit("auto_lg") == [2_854_848, 11_018_112, 43_269_888]


def test_a_number_of_blocks():
    with pytest.raises(ValueError, match="blocks must be at least 1, found 0"):
        methods.get("heur_lg", blocks=0)
    assert "embed_dim" in methods.get("auto_lg").supports(HEADED, HEADED.replace(embed_dim=24))

"""The checks of the contract let a sound class through and catch each way to break it."""

import subprocess
import sys
from dataclasses import dataclass

import pytest
import torch

from methods.base import HEAD, Initializer, Learngene, fill
from methods.testing import check_documented, check_initializer, check_light, check_size, sizes_around
from methods.testing.trial import perturbed, same, state, wants_gradients
from tests.methods.tinylab import SPEC, TinyLab

ANCESTOR, TARGET = SPEC.replace(depth=6), SPEC.replace(depth=2)


def test_torch_at_the_top_of_a_module_is_noticed():
    with pytest.raises(AssertionError, match="torch"):
        check_light("import torch")
    with pytest.raises(AssertionError, match="ModuleNotFoundError"):
        check_light("import no_such_module")


def test_the_checks_need_no_pytest():
    code = "import sys, methods.testing; print('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@dataclass
class Copy(Initializer):
    """Copies the first blocks; each class below breaks one thing of it."""

    noise: float = 0.0

    def condense(self, ancestor, lab):
        tensors = {n: t.clone() for n, t in ancestor.state_dict().items()}
        if self.head == "fresh":
            tensors = {n: t for n, t in tensors.items() if n not in HEAD}
        return Learngene(tensors, {"classes": lab.classes})

    def initialize(self, target, learngene, lab):
        fresh = () if self.head_transfers(learngene, lab) else HEAD
        fill(target, {n: learngene.tensors[n] for n in target.state_dict() if n not in fresh}, fresh)


@dataclass
class Halved(Initializer):
    """timm's own draw, scaled."""

    scale: float = 0.5

    def condense(self, ancestor, lab):
        return Learngene(tensors={}, meta={})

    def initialize(self, target, learngene, lab):
        with torch.no_grad():
            for p in target.parameters():
                p.mul_(self.scale)


@dataclass
class NoDefault(Initializer):
    """An option without a default."""

    scale: float


class NoDataclass(Copy):
    """Options that nobody sees."""


@dataclass
class ModifiesAncestor(Copy):
    """Writes into the ancestor."""

    def condense(self, ancestor, lab):
        with torch.no_grad():
            ancestor.pos_embed.add_(1)
        return super().condense(ancestor, lab)


@dataclass
class FreezesAncestor(Copy):
    """Leaves the ancestor frozen."""

    def condense(self, ancestor, lab):
        return super().condense(ancestor.requires_grad_(False), lab)


@dataclass
class UnseededCondense(Copy):
    """Draws from torch's global generator."""

    def condense(self, ancestor, lab):
        learngene = super().condense(ancestor, lab)
        learngene.tensors["pos_embed"] += torch.randn(1)
        return learngene


@dataclass
class UnseededInitialize(Copy):
    """Draws from torch's global generator."""

    def initialize(self, target, learngene, lab):
        super().initialize(target, learngene, lab)
        target.pos_embed.data += torch.randn(1)


@dataclass
class Forgetful(Copy):
    """Fills a tensor in part."""

    def initialize(self, target, learngene, lab):
        kept = target.pos_embed[:, 0].clone()
        super().initialize(target, learngene, lab)
        target.pos_embed.data[:, 0] = kept


@dataclass
class ModifiesLearngene(Copy):
    """Changes the learngene while it is used."""

    def initialize(self, target, learngene, lab):
        super().initialize(target, learngene, lab)
        learngene.tensors["pos_embed"] *= 2


@dataclass
class NotJson(Copy):
    """Metadata that changes on the way through a file."""

    def condense(self, ancestor, lab):
        learngene = super().condense(ancestor, lab)
        learngene.meta["sizes"] = (1, 2)
        return learngene


@dataclass
class AlwaysHead(Copy):
    """Transfers the head whatever the classes are."""

    def head_transfers(self, learngene, lab):
        return "head.weight" in learngene.tensors


@dataclass
class NeverHead(Copy):
    """Stores the head and does not use it."""

    def head_transfers(self, learngene, lab):
        return False


@dataclass
class Dead(Copy):
    """A target through which no gradient flows."""

    def initialize(self, target, learngene, lab):
        super().initialize(target, learngene, lab)
        target.blocks[0].requires_grad_(False)


@dataclass
class Refuses(Copy):
    """Cannot serve the size."""

    def supports(self, ancestor, target):
        return "not this one"


@dataclass
class NoDeeper(Copy):
    """Refuses what its copies cannot fill, and says why in both places."""

    reason: str = "grows no depth"
    wording: str = "grows no depth"

    def supports(self, ancestor, target):
        return self.reason if target.depth > ancestor.depth else None

    def initialize(self, target, learngene, lab):
        if len(target.blocks) > ANCESTOR.depth:
            raise ValueError(self.wording)
        super().initialize(target, learngene, lab)


@dataclass
class Mean(Copy):
    """The mean of several ancestors."""

    ancestors = "many"

    def condense(self, ancestor, lab):
        states = [model.state_dict() for model in ancestor]
        assert len(states) == 2 and not any(states[0][n].equal(states[1][n]) for n in states[0])
        mean = {n: sum(s[n] for s in states) / len(states) for n in states[0]}
        return Learngene({n: t for n, t in mean.items() if self.head != "fresh" or n not in HEAD}, {"classes": "same"})


@dataclass
class ModifiesTheSecond(Mean):
    """Writes into an ancestor beside the first."""

    def condense(self, ancestor, lab):
        learngene = super().condense(ancestor, lab)
        ancestor[1].pos_embed.data.add_(1)
        return learngene


@dataclass
class ResolvesAgain(Copy):
    """Resolves to something else each time."""

    def resolve(self, ancestor, targets):
        return type(self)(noise=self.noise + 1)


@dataclass
class DeepestTarget(Copy):
    """Stores as many blocks as the deepest target has, and does not say so."""

    def condense(self, ancestor, lab):
        learngene, depth = super().condense(ancestor, lab), max(target.depth for target in lab.targets)
        blocks = {name for name in learngene.tensors if name.startswith("blocks.")}
        unused = {name for name in blocks if int(name.split(".")[1]) >= depth}
        return Learngene({n: t for n, t in learngene.tensors.items() if n not in unused}, learngene.meta)


@dataclass
class DeepestTargetSaid(DeepestTarget):
    """The same, as an option that is derived."""

    depth: int = 0

    def resolve(self, ancestor, targets):
        return type(self)(depth=max(target.depth for target in targets))


@dataclass
class OneDepthEach(DeepestTarget):
    """The same, with a learngene for every depth."""

    def family(self, target):
        return target.depth


@pytest.mark.parametrize("cls", [Copy, Halved, DeepestTargetSaid, OneDepthEach, Mean])
def test_a_class_from_outside_passes(cls):
    check_initializer(cls(), ANCESTOR, TARGET, TinyLab)


def test_the_stub_is_what_it_is_tried_with_unless_said_otherwise():
    origins = check_initializer(Copy())
    assert origins["pos_embed"] == origins["blocks.1.attn.qkv.weight"] == "given"
    assert not any(name.startswith("blocks.2.") for name in origins)  # half as deep
    with pytest.raises(AssertionError, match="condensing twice"):
        check_initializer(UnseededCondense())


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (NoDefault(1.0), "option scale has no default"),
        (NoDataclass(), "is no dataclass"),
        (ModifiesAncestor(), "modified the ancestor|condensing twice"),
        (FreezesAncestor(), "froze the ancestor"),
        (ModifiesTheSecond(), "modified the ancestor|condensing twice"),
        (UnseededCondense(), "condensing twice"),
        (UnseededInitialize(), "pos_embed: neither given"),
        (Forgetful(), "pos_embed: neither given"),
        (ModifiesLearngene(), "modified the learngene|initializing twice"),
        (NotJson(), "saving changed the metadata"),
        (AlwaysHead(), "head: transfer, other classes"),
        (NeverHead(), "head: transfer, same classes"),
        (Dead(), "no gradient reaches .*blocks.0"),
        (Refuses(), "not this one"),
        (ResolvesAgain(), "resolve changes"),
        (DeepestTarget(), "more from lab.targets"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Initializer) else "",
)
def test_a_broken_method_is_caught(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_initializer(broken, ANCESTOR, TARGET, TinyLab)


def test_a_docstring_without_sources_is_caught():
    with pytest.raises(AssertionError, match="has no Source:, Verified:, Assumed:"):
        check_documented(Copy)


def test_a_size_is_served_or_refused_with_a_reason():
    sizes = sizes_around(ANCESTOR)
    assert list(sizes) == ["equal", "shallower", "deeper", "narrower", "wider"]
    assert [spec.depth for spec in sizes.values()] == [6, 2, 9, 6, 6]
    assert [(spec.embed_dim, spec.num_heads) for spec in sizes.values()] == [(32, 2)] * 3 + [(16, 1), (64, 4)]
    assert check_size(NoDeeper(), ANCESTOR, sizes["shallower"], TinyLab)["pos_embed"] == "given"
    assert check_size(NoDeeper(), ANCESTOR, sizes["deeper"], TinyLab) is None


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (NoDeeper(reason=" "), "expected the reason"),
        (NoDeeper(wording="something else"), "for another reason than supports: something else"),
        (Halved(), "fills a target that supports refuses"),
    ],
)
def test_a_bad_refusal_is_caught(broken, message, monkeypatch):
    if isinstance(broken, Halved):
        monkeypatch.setattr(Halved, "supports", lambda self, ancestor, target: "no")
    with pytest.raises(AssertionError, match=message):
        check_size(broken, ANCESTOR, sizes_around(ANCESTOR)["deeper"], TinyLab)


def test_a_twin_is_equal_and_shares_nothing():
    one, drawn = perturbed(SPEC, 3), torch.randn(2)
    other = perturbed(SPEC, 3)
    assert torch.randn(2).equal(drawn), "the generator is where a fresh draw leaves it"
    assert same(state(one), state(other)) and list(one.state_dict()) == list(other.state_dict())
    assert wants_gradients(one) == wants_gradients(other) and str(one) == str(other)
    mine, others = ({t.data_ptr() for t in model.state_dict().values()} for model in (one, other))
    assert not mine & others
    one.blocks[0].register_forward_hook(lambda *_: pytest.fail("a hook of the other"))
    one.head = torch.nn.Identity()
    with torch.no_grad():
        one.pos_embed.zero_()
    other(torch.zeros(1, SPEC.in_chans, SPEC.img_size, SPEC.img_size)).sum().backward()
    assert all(p.grad is None for p in one.parameters()) and other.head.weight.grad is not None
    assert same(state(other), state(perturbed(SPEC, 3)))

"""What jobs begin with."""

from types import SimpleNamespace

import torch

from bench.jobs.parts.context import Context
from methods.vit import VitSpec

SPEC = VitSpec(embed_dim=16, depth=1, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)


def fresh(kind, seed=0):
    session = SimpleNamespace(device=torch.device("cpu"))
    return Context(SimpleNamespace(kind=kind, seed=seed), None, session).fresh(SPEC).state_dict()


def test_a_fresh_target_is_decided_by_its_seed():
    for name, tensor in fresh("run").items():
        assert torch.equal(tensor, fresh("start")[name])
    assert not torch.equal(fresh("run")["head.weight"], fresh("run", seed=1)["head.weight"])


def test_a_fresh_target_has_nothing_that_an_ancestor_of_its_seed_began_with():
    began, target = fresh("ancestor"), fresh("run")
    for name in ("head.weight", "blocks.0.attn.qkv.weight", "pos_embed"):
        assert not torch.equal(began[name], target[name])
        assert abs(torch.corrcoef(torch.stack([began[name].flatten(), target[name].flatten()]))[0, 1]) < 0.3

"""What jobs begin with."""

from types import SimpleNamespace

import torch

from bench.jobs.context import Context
from bench.jobs.model import Job
from methods.vit import VitSpec

SPEC = VitSpec(embed_dim=16, depth=1, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)


def fresh(kind, seed=0):
    context = Context(Job(kind, "id", {"seed": seed}, (), {}), None, SimpleNamespace(device=torch.device("cpu")))
    return context.fresh(SPEC).state_dict()


def test_a_fresh_target_is_decided_by_its_seed():
    for name, tensor in fresh("run").items():
        assert torch.equal(tensor, fresh("start")[name])
    assert not torch.equal(fresh("run")["head.weight"], fresh("run", seed=1)["head.weight"])


def test_a_fresh_target_has_nothing_that_an_ancestor_of_its_seed_began_with():
    began, target = fresh("ancestor"), fresh("run")
    for name in ("head.weight", "blocks.0.attn.qkv.weight", "pos_embed"):
        assert not torch.equal(began[name], target[name])
        assert abs(torch.corrcoef(torch.stack([began[name].flatten(), target[name].flatten()]))[0, 1]) < 0.3

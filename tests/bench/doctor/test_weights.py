"""Whether the weights of an ancestor of timm are here: asked of its caches, and of nobody else."""

from types import SimpleNamespace

import huggingface_hub
import pytest
import timm.models
import torch.hub
from huggingface_hub import constants

from bench.doctor.weights import timm_weights


@pytest.fixture
def known(monkeypatch, tmp_path):
    """A function that says where timm has a model from; the caches are empty, and torch's is in the folder."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def say(hub="", url="", file=None, cached=()):
        config = SimpleNamespace(hf_hub_id=hub, hf_hub_filename=file, url=url)
        monkeypatch.setattr(timm.models, "get_pretrained_cfg", lambda name: config)
        look = lambda id, name: f"/cache/{name}" if name in cached else None  # noqa: E731
        monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", look)

    return say


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_of_the_hub_is_found_by_both_of_its_names(name, known):
    known("timm/vit", cached={name})
    assert (timm_weights("vit").state, timm_weights("vit").text) == ("ok", f"vit: /cache/{name}")


def test_a_file_of_another_name_is_looked_for_alone(known):
    known("timm/vit", file="own.bin", cached={"model.safetensors"})
    assert timm_weights("vit").state == "note"
    known("timm/vit", file="own.bin", cached={"own.bin"})
    assert timm_weights("vit").state == "ok"


def test_a_file_that_torch_fetched_is_found_by_the_end_of_its_address(known, tmp_path):
    known(url="https://example.org/a/b/vit.pth?download=1")
    assert "timm fetches it from https://example.org/a/b/vit.pth" in timm_weights("vit").how
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "vit.pth").touch()
    assert timm_weights("vit").state == "ok"


def test_what_is_not_here_is_fetched_unless_that_is_forbidden(known, monkeypatch):
    known("timm/vit", url="https://example.org/vit.pth")
    found = timm_weights("vit")
    assert found.state == "note" and "https://huggingface.co/timm/vit" in found.how
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = timm_weights("vit")
    assert found.state == "missing" and found.how.startswith("unset HF_HUB_OFFLINE")

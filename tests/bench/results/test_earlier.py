"""Identities of earlier versions, which had no images in them."""

from bench.data import DataSettings
from bench.results import earlier
from tests.bench.jpegs import write_images
from tests.bench.tiny import write

SUITE = """
name: tiny
dataset: {name: photos, source: folder, root: ROOT, img_size: 16, val_fraction: 0.2, workers: 0}
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 8}
  train: {epochs: 1, batch_size: 8}
targets: [{embed_dim: 16, num_heads: 2, depth: 1, patch_size: 8}]
methods: {sws: {stages: 2}}
train: {epochs: 1, batch_size: 8}
"""


def test_earlier_identities_are_those_that_earlier_versions_made(tmp_path):
    """Without the images in it, an identity is what it was: of folders as of the digits."""
    from bench.data import describe
    from bench.plan import make_plan
    from bench.suite import load

    photos = write_images(tmp_path / "photos", ["ant", "bee", "cat"], {"train": 12, "val": 4})
    suite = write(tmp_path, SUITE.replace("ROOT", str(photos)))
    old = make_plan(load(suite, look_at=lambda settings: describe(settings, hashed=False)))
    new = make_plan(load(suite))
    assert list(earlier.earlier(new).values()) == list(old.jobs) and earlier.earlier(old) == {}
    assert DataSettings.model_validate("digits").fingerprint == "content"

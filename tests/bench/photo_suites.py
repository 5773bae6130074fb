"""A folder of photos, three classes of small JPEGs, and suites of it that are quickly done."""

from pathlib import Path

from tests.bench.jpegs import write_images
from tests.bench.tiny import write

CLASSES = ["ant", "bee", "cat"]
DATASET = """
name: tiny
dataset: {name: photos, source: folder, root: ROOT, img_size: 16, val_fraction: 0.2, workers: 0}
"""
AUGMENTED = f"""{DATASET}\
targets: [{{embed_dim: 16, num_heads: 2, depth: 1, patch_size: 8}}]
methods: {{random: {{}}}}
train: {{epochs: 1, batch_size: 8, augment: {{crop: rrc, hflip: 0.5}}}}
"""
FROM_ANCESTOR = f"""{DATASET}\
ancestor:
  model: {{embed_dim: 16, depth: 2, num_heads: 2, patch_size: 8}}
  train: {{epochs: 1, batch_size: 8}}
targets: [{{embed_dim: 16, num_heads: 2, depth: 1, patch_size: 8}}]
methods: {{sws: {{stages: 2}}}}
train: {{epochs: 1, batch_size: 8}}
"""


def write_photos(folder: Path) -> Path:
    """Twelve of each class to train on and four to test on, of 40 pixels or so."""
    return write_images(folder / "photos", CLASSES, {"train": 12, "val": 4})


def suite(folder: Path, root: Path, text: str = AUGMENTED) -> Path:
    """The file of a suite of the photos in `root`."""
    return write(folder, text.replace("ROOT", str(root)))

"""Readable names of sizes."""

from bench.models import size_name
from methods.vit import VitSpec

# what tells apart two sizes of equal depth and width, with the letter that stands for it
EXTRAS = (("h", "num_heads"), ("p", "patch_size"), ("m", "mlp_ratio"), ("c", "class_token"), ("g", "global_pool"))


def target_names(sizes: list[VitSpec]) -> list[str]:
    """A name per size, `L6-d64`; sizes of equal depth and width also say what else differs: `L6-d64-h4`."""
    names = []
    for size in sizes:
        twins = [s for s in sizes if size_name(s) == size_name(size)]
        name = size_name(size)
        for letter, attribute in EXTRAS:
            if len({getattr(twin, attribute) for twin in twins}) > 1:
                value = getattr(size, attribute)
                name += f"-{letter}{value if isinstance(value, str) else format(value, 'g')}"
        names.append(name)
    return names

"""What makes of each suite, by --set, a small one on the stand-ins."""

from pathlib import Path

from tests.suites.standin_data import folder

SUITES = Path(__file__).parents[2] / "suites"
OTHERS = {0: "cifar10", 1: "cifar100", 2: "flowers102", 5: "food101"}  # of transfer, read from folders here
DEITS = ("tiny", "small", "base")


def cifar(**fields):
    return {"dataset": ("cifar100", fields)}


def transfer(size):
    sets = {f"dataset.{i}": (name, {"img_size": size}) for i, name in OTHERS.items()}
    for key in [f"dataset.{i}" for i in (3, 4, 6)] + [f"ancestor.{name}.dataset" for name in (*DEITS, "levit")]:
        sets |= {f"{key}.num_classes": 3, f"{key}.img_size": size}
    return sets


# the suites as they are, but for the data
DATA = {
    "imagenet_day": {"dataset.num_classes": 3},
    "imagenet_variable_depth": {"dataset.num_classes": 3},
    "imagenet_variable_width": {"dataset.num_classes": 3},
    "cifar100_variable_depth": cifar(img_size=32, in_memory="true"),
    "mixture_growth_cifar100": cifar(img_size=32, in_memory="true"),
    "weight_selection_cifar100": cifar(img_size=224),
    "transfer": transfer(224),
}
NAMES = list(DATA)


def settings(values, data):
    """--set options; a pair stands for a data set that is read from a folder."""
    read = {key: folder(data, v[0], **v[1]) if isinstance(v, tuple) else v for key, v in values.items()}
    return [f"{key}={value}" for key, value in read.items()]


def short(*keys):
    """One epoch in batches of 8, not compiled, for the recipes at these keys."""
    less = {"epochs": 1, "batch_size": 8, "compile": "false"}
    return {f"{key}.{name}": value for key in keys for name, value in less.items()}


def of_deit(names, weights, sws=("sws",)):
    """The first ancestor is a converted timm model, the others are tiny ones trained here; the teacher is no ViT."""
    first, *others = names
    found = {f"ancestor.{first}.model.timm": "test_vit", f"ancestor.{first}.model.checkpoint": weights["test_vit"]}
    found[f"ancestor.{first}.convert.positions"] = "interpolate"
    for i, name in enumerate(others):
        size = f"{{embed_dim: {32 + 16 * i}, depth: 2, num_heads: 2, patch_size: 16}}"
        found |= {f"ancestor.{name}.model": size, f"ancestor.{name}.convert": "{}"} | short(f"ancestor.{name}.train")
    teacher = {"ancestor.levit.model.timm": "test_resnet", "ancestor.levit.model.checkpoint": weights["test_resnet"]}
    stages = {f"methods.{m}.{k}": v for m in sws for k, v in {"stages": 2, "layers_per_stage": "[1, 1]"}.items()}
    stages |= short(*(f"methods.{m}.{key}" for m in sws for key in ("train", "runs")))
    wave = {"methods.wave.template_size": 16, "methods.wave.scaler_steps": 2}
    return found | teacher | stages | wave | short(*(f"methods.{m}.train" for m in ("mixture_growth", "wave")))


def small(name, weights):
    """--set values for a suite of seconds. weights: name -> checkpoint of a timm model for three classes."""
    same = short("train") | {"train.eval_every": 1, "seeds": 1}
    if name.startswith("imagenet"):
        same |= DATA[name] | {"dataset.img_size": 32, "dataset.workers": 0} | short("methods.scratch.runs")
    if name == "imagenet_day":
        own = {key: value for key, value in of_deit(["tiny"], weights).items() if "levit" not in key}
        return same | own | {"targets.0.depth": "[1, 3]"}
    if name == "imagenet_variable_depth":
        depths, widths = ("[1, 3]", 1, 2), (64, 32, 48)
        targets = {f"targets.{i}.depth": depth for i, depth in enumerate(depths)}
        targets |= {f"targets.{i}.embed_dim": width for i, width in enumerate(widths)}
        targets |= {f"targets.{i}.num_heads": 2 for i in range(3)}
        return same | of_deit(DEITS, weights, ("sws", "sws_base")) | targets
    if name == "imagenet_variable_width":
        return same | of_deit(["base"], weights) | {"targets.0": "{embed_dim: [32, 64], head_dim: 16, depth: 2}"}
    if name == "transfer":
        return same | of_deit(DEITS, weights) | transfer(32) | {"targets": "[{ancestor: tiny, depth: 1}]"}
    if name == "cifar100_variable_depth":
        size = {"ancestor.model": "{embed_dim: 32, depth: 2, num_heads: 2, patch_size: 8}", "targets.0.depth": "[1, 2]"}
        methods = {"methods.sws.stages": 2, "methods.wave.template_size": 16, "methods.wave.scaler_steps": 2}
        return same | DATA[name] | size | methods | short("ancestor.train")
    if name == "mixture_growth_cifar100":
        labels = ("orthogonal", "released_rule", "copied", "side_by_side")
        size = {"targets.0": "{embed_dim: 32, num_heads: 2, depth: 2, patch_size: 8}"}
        return same | DATA[name] | size | short("methods.scratch.runs", *(f"methods.{label}.train" for label in labels))
    assert name == "weight_selection_cifar100"
    vit = {"ancestor.model": f"{{timm: test_vit, checkpoint: {weights['test_vit']}}}"}
    size = {"ancestor.convert.positions": "interpolate", "targets.0": "{embed_dim: 32, num_heads: 1, depth: 2}"}
    return same | cifar(img_size=32) | vit | size

"""Recipes by name: `train: {recipe: deit, epochs: 10}` stands for the fields below, explicit keys over them.

Only the resolved fields are part of identities. A named recipe is whole: what it does not name has `Recipe`'s default,
whatever the mapping would otherwise have been merged with; but how it is computed and watched (`KEPT`) stays as it was.
Each value is from the paper or the code that it is named after; what was left out, and why, is said beside it.
"""

from typing import Any

from bench.recipes.recipe import Recipe, merge

# Touvron et al., Training data-efficient image transformers, ICML 2021 (table of settings), and the released code.
# Its average of the weights (decay 0.99996) is left out: the code maintains it, and evaluates the raw model.
DEIT: dict[str, Any] = {
    "epochs": 300,
    "batch_size": 1024,
    "lr": 5e-4,
    "lr_batch": 512,
    "min_lr": 1e-5,
    "warmup_epochs": 5,
    "warmup_lr": 1e-6,
    "schedule": "cosine",
    "optimizer": "adamw",
    "weight_decay": 0.05,
    "label_smoothing": 0.1,
    "mixup": 0.8,
    "cutmix": 1.0,
    "mixup_switch_prob": 0.5,
    "drop_path": 0.1,
    "repeats": 3,
    "augment": {
        "crop": "rrc",
        "hflip": 0.5,
        "interpolation": "bicubic",
        "color_jitter": 0.4,  # timm applies it only where there is no automatic augmentation, and so did they
        "auto_augment": "rand-m9-mstd0.5-inc1",
        "re_prob": 0.25,
        "re_mode": "pixel",
    },
}

# Xia et al., SWS (IJCAI 2024) and TLEG (AAAI 2024), released code: DeiT's with 4 GPUs x 128. Aux-B: epochs 100.
SWS = merge(DEIT, {"epochs": 150, "batch_size": 512})
TLEG = merge(SWS, {"drop_path": 0.0})

# Xu et al., weight selection (ICLR 2024), released code: ViT-T on CIFAR-100, 8 GPUs x 64; the rate is not scaled.
WEIGHT_SELECTION = merge(
    DEIT,
    {
        "epochs": 300, "batch_size": 512, "lr": 2e-3, "lr_batch": None, "min_lr": 1e-6, "warmup_epochs": 50,
        "warmup_lr": 0.0, "drop_path": 0.0, "repeats": 1, "eps": 1e-8,
    },
)  # fmt: skip

# Pham et al., MixtureGrowth (WACV 2024), released code: one member of a wide residual network on CIFAR. Its cutout of
# 16 pixels is left out: data held in memory has none. The augmentation is for data held in memory.
MIXTURE_GROWTH: dict[str, Any] = {
    "epochs": 200,
    "batch_size": 128,
    "lr": 0.1,
    "min_lr": 1e-6,
    "warmup_epochs": 2,
    "warmup_lr": 1e-5,
    "schedule": "cosine",
    "optimizer": "nesterov",
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "augment": {"shift": 4, "hflip": 0.5},
}

RECIPES: dict[str, dict[str, Any]] = {
    "deit": DEIT,
    "sws": SWS,  # the auxiliary network
    "sws_target": merge(SWS, {"epochs": 10, "lr": 5e-5, "lr_batch": 512, "min_lr": 1e-6, "warmup_epochs": 0}),
    "sws_target_base": merge(SWS, {"epochs": 10, "lr": 1e-5, "lr_batch": 512, "min_lr": 1e-6, "warmup_epochs": 0}),
    "tleg": TLEG,  # the auxiliary network
    "tleg_target": merge(TLEG, {"epochs": 35, "warmup_epochs": 0, "drop_path": 0.1}),
    "tleg_target_base": merge(TLEG, {"epochs": 40, "warmup_epochs": 0, "drop_path": 0.1}),
    "weight_selection": WEIGHT_SELECTION,
    "weight_selection_imagenet": merge(WEIGHT_SELECTION, {"batch_size": 4096, "lr": 4e-3, "accumulate": 4}),
    "mixture_growth": MIXTURE_GROWTH,  # each member
    # the grown network: 40 epochs; their four cosine cycles are one here
    "mixture_growth_grown": merge(MIXTURE_GROWTH, {"epochs": 40, "lr": 1e-4, "min_lr": 3e-5, "warmup_epochs": 1}),
}


KEPT = {"distill", "precision", "compile", "accumulate", "eval_every", "looks"}


def expand(changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` with the recipe that its key `recipe` names spelled out in all fields. Raises KeyError, of the name."""
    changes = dict(changes)
    name = changes.pop("recipe", None)
    if name is None:
        return changes
    named = RECIPES[name]
    return merge(Recipe.model_validate(named).model_dump(exclude=KEPT - named.keys()), changes)

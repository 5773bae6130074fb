"""How many steps are timed, of how many images."""

from types import SimpleNamespace

from bench import models
from bench.probe.lab import CPU_STEP, GPU_FLOPS, STEPS, ProbeLab
from methods.vit import VitSpec

SMALL = VitSpec(embed_dim=16, depth=1, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)
LARGE = VitSpec(embed_dim=192, depth=12, num_heads=3, patch_size=16, img_size=224, num_classes=1000)
HUGE = LARGE.replace(embed_dim=4096, num_heads=32, depth=48)


def amount(device, batch, *specs):
    lab = SimpleNamespace(device=SimpleNamespace(type=device), targets=specs)
    return ProbeLab.amount(lab, SimpleNamespace(batch=batch))


def test_small_models_take_the_whole_batch_and_many_steps():
    assert amount("cpu", 216, SMALL) == (216, STEPS[1])


def test_a_batch_that_would_take_long_on_a_cpu_is_cut_to_an_even_number_and_on_a_gpu_it_is_not():
    specs = [LARGE.replace(depth=depth) for depth in range(6, 13)]
    images = [models.train_flops(spec) for spec in specs]
    assert {int(CPU_STEP / image) % 2 for image in images} == {0, 1}
    for spec, image in zip(specs, images, strict=True):
        batch, steps = amount("cpu", 1024, spec)
        assert batch % 2 == 0 and batch * image <= CPU_STEP < (batch + 2) * image and steps == STEPS[0]
        assert amount("cuda", 1024, spec)[0] == 1024


def test_two_images_are_the_fewest():
    assert amount("cpu", 1024, HUGE) == (2, STEPS[0])
    assert amount("cpu", 1, HUGE)[0] == 1, "unless the recipe has fewer"


def test_the_largest_of_several_targets_decides():
    assert amount("cpu", 1024, SMALL, LARGE) == amount("cpu", 1024, LARGE) == amount("cpu", 1024, LARGE, SMALL)


def test_on_a_gpu_steps_are_as_many_as_fill_the_time_within_limits():
    image, few, many = models.train_flops(LARGE), *STEPS
    for images, steps in ((1, many), (int(GPU_FLOPS / image / 10.5), 10), (100_000, few)):
        assert amount("cuda", images, LARGE) == (images, steps)

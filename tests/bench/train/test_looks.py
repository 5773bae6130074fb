"""When a fit is evaluated, and that looking changes nothing else."""

import pytest

from tests.bench.train.fits_on_digits import fit, model, weights

STEPS = 60


def looked(folder, **recipe):
    module = model()
    trained = fit(folder, module, {"steps": STEPS, **recipe}, evaluate=lambda m: {"top1": 0.0, "val_top1": 0.0})
    return [point["step"] for point in trained.run()], weights(module), trained.per_epoch


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [
        ({"looks": [3, 30]}, [0, 3, 30, STEPS]),
        ({"looks": [30, 3, STEPS, 90]}, [0, 3, 30, STEPS]),  # in any order, and not beyond the end
        ({"looks": []}, [0, STEPS]),
        ({"looks": [5], "eval_every": 1}, [0, 5, STEPS]),
    ],
)
def test_a_fit_is_evaluated_at_its_looks_and_is_the_same(tmp_path, recipe, steps):
    seen, trained, _ = looked(tmp_path / "looked", **recipe)
    every, plain, per_epoch = looked(tmp_path / "plain", eval_every=1)
    assert seen == steps and trained.equal(plain)
    assert every == [*range(0, STEPS, per_epoch), STEPS] and len(every) == 4  # looks are within epochs, too

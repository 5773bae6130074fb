"""Arithmetic of mixed precision: fp16 with its scaled gradients."""

import pytest
import torch

from bench.train.evaluate import evaluate
from bench.train.session import Interrupted
from tests.bench.train.fits_on_digits import digits, fit, model, trained, weights


def test_fp16_trains_as_fp32_does_up_to_rounding(tmp_path):
    start = weights(model())
    plain, half = (trained(tmp_path / name, steps=12, precision=name, clip_grad=1.0) for name in ("fp32", "fp16"))
    assert not torch.equal(plain, half)
    assert (plain - half).norm() < 0.1 * (plain - start).norm()


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_is_halved(tmp_path):
    made = fit(tmp_path, model(), {"steps": 3, "precision": "fp16"})
    made.prepare()
    batch = next(iter(made.data.train.batches(made.order(0)[:1], epoch=0, seed=0)))
    before = weights(made.module)
    made.update.scaler.load_state_dict(made.update.scaler.state_dict() | {"scale": 2.0**60})
    made.update(0, *batch)
    assert torch.equal(weights(made.module), before)
    assert made.update.scaler.get_scale() == 2.0**59
    made.update.scaler.load_state_dict(made.update.scaler.state_dict() | {"scale": 2.0**10})
    made.update(0, *batch)
    assert not torch.equal(weights(made.module), before)


def test_a_resumed_fit_has_the_scale_of_before(tmp_path):
    recipe, straight, stopped = {"steps": 12, "precision": "fp16", "ema": 0.9}, model(), model()
    fit(tmp_path / "a", straight, recipe).run()
    begun = fit(tmp_path / "b", stopped, recipe)
    begun.session.pause_due = lambda step, last: "stop" if step == 5 else None
    with pytest.raises(Interrupted):
        begun.run()
    scale = begun.update.scaler.state_dict()
    module = model()
    resumed = fit(tmp_path / "b", module, recipe)
    resumed.prepare()
    assert resumed.update.scaler.state_dict() == scale
    resumed.loop()
    assert torch.equal(weights(module), weights(straight))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_an_evaluation_is_in_the_recipes_arithmetic(precision):
    module, dtypes = model(), []
    module.head.register_forward_hook(lambda _, __, logits: dtypes.append(logits.dtype))
    evaluate(module, digits().val, torch.device("cpu"), precision)
    assert set(dtypes) == {{"bf16": torch.bfloat16, "fp16": torch.float16}[precision]}

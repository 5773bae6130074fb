"""Before the first step: batches that do not fit into memory are computed in parts; nothing else changes."""

import functools

import pytest
import torch
from torch import nn

from bench.store.log import read as read_log
from bench.train import warm_up
from bench.train.evaluate import evaluate
from bench.train.session import COMPILED, share_compiled
from bench.worker.outcome import failure_of
from tests.bench.train.fits_on_digits import digits, fit, model, weights
from tests.bench.train.processes_together import together

HARD = {"steps": 6, "batch_size": 64, "mixup": 0.8, "drop_path": 0.3, "ema": 0.5, "augment": {"shift": 1}}


@pytest.fixture
def wanted(monkeypatch):
    """Also where it would not be: alone on the CPU."""
    monkeypatch.setattr(warm_up, "wanted", lambda *_: True)


class Greedy(nn.Module):
    """Has memory for so many images at once, and statistics that every forward pass changes."""

    def __init__(self, room):
        super().__init__()
        self.inner, self.room, self.seen = model(), room, []
        self.norm = nn.BatchNorm2d(1)

    def forward(self, images):
        if images.device.type != "meta":
            self.seen.append(len(images))
            if len(images) > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(self.norm(images))


def test_a_batch_is_halved_until_it_fits_and_the_result_says_so(wanted, tmp_path):
    module = Greedy(room=20)
    trained = fit(tmp_path / "halved", module, {"steps": 3, "batch_size": 64})
    trained.run()
    assert module.seen[:3] == [64, 32, 16] and set(module.seen[3:]) == {16}
    assert trained.session.for_result() == {"accumulate": {"fit": 4}}
    (warning,) = (e["message"] for e in read_log(tmp_path / "halved" / "log.jsonl") if e["event"] == "warning")
    assert warning == "not enough memory: a batch of 64 is computed in 4 parts instead of 1"
    said = Greedy(room=64)
    fit(tmp_path / "said", said, {"steps": 3, "batch_size": 64, "accumulate": 4}).run()
    assert torch.equal(weights(module), weights(said)), "as if the recipe had said it"
    assert torch.equal(module.norm.running_mean, said.norm.running_mean)


def test_where_one_image_is_too_much_the_job_fails_for_memory(wanted, tmp_path):
    with pytest.raises(torch.OutOfMemoryError, match="even for .* a single image") as error:
        fit(tmp_path, Greedy(room=0), {"steps": 3, "batch_size": 8}).run()
    assert failure_of(error.value).kind == "memory"


def test_what_does_not_fit_is_evaluated_in_parts():
    greedy, test, cpu = Greedy(room=100), digits().test, torch.device("cpu")
    found = evaluate(greedy, test, cpu)
    assert greedy.seen == [360, 180, 90, 90, 180, 90, 90]
    assert found == pytest.approx(evaluate(Greedy(room=1000), test, cpu), rel=1e-6)
    with pytest.raises(torch.OutOfMemoryError):
        evaluate(Greedy(room=0), test, cpu)


@pytest.mark.parametrize("where", ["at the start", "resumed"])
def test_nothing_else_changes(where, tmp_path, monkeypatch):
    """Neither weights nor random numbers, to the last bit, where everything random is drawn in the steps."""
    results = []
    for warm in (False, True):
        monkeypatch.setattr(warm_up, "wanted", lambda *_, warm=warm: warm)
        module = model()
        folder = tmp_path / str(warm)
        if where == "resumed":
            first = fit(folder, module, HARD)
            first.session.pause_due = lambda step, last: "stop" if step == 3 else ""
            with pytest.raises(Exception, match="stopped at step 3"):
                first.run()
            module = model()
        fit(folder, module, HARD).run()
        results.append(weights(module))
    assert torch.equal(*results)


def test_compiling_has_a_figure_of_its_own(tmp_path, monkeypatch):
    """Of all stretches of an interrupted fit together."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    module = model()
    compiled = fit(tmp_path / "a", module, {"steps": 3, "compile": True})
    compiled.run()
    seconds = compiled.session.for_result()["compile_seconds"]
    assert seconds > 0
    again = fit(tmp_path / "a", model(), {"steps": 3, "compile": True})
    again.session.done["fit"] = compiled.state()
    again.run()
    assert again.session.for_result()["compile_seconds"] == seconds
    assert fit(tmp_path / "b", model(), {"steps": 3}).session.for_result() == {}


@pytest.mark.parametrize("when", ["forward", "backward"])
def test_where_nothing_can_be_compiled_training_goes_on_without(when, tmp_path, monkeypatch):
    from torch._dynamo.backends.common import aot_autograd
    from torch._dynamo.exc import TorchDynamoException
    from torch._functorch._aot_autograd.utils import make_boxed_func

    def fails(*_):
        raise TorchDynamoException("no C compiler")

    how = {"fw_compiler": fails} if when == "forward" else {"fw_compiler": lambda g, _: make_boxed_func(g)}
    backend = aot_autograd(**how, bw_compiler=fails)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    module, plain = model(), model()
    fit(tmp_path / "a", module, {"steps": 3, "compile": True}).run()
    messages = [e["message"] for e in read_log(tmp_path / "a" / "log.jsonl") if e["event"] == "warning"]
    assert messages == ["torch.compile failed here, so training goes on without; output.txt says why"]
    fit(tmp_path / "b", plain, {"steps": 3}).run()
    assert torch.equal(weights(module), weights(plain))


def test_runs_share_what_is_compiled_wherever_they_are(tmp_path, monkeypatch):
    """torch has set the variable when it was imported; what the user has set stays."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir, default_cache_dir

    for before, folder in (
        (None, tmp_path / "cache" / "inductor"),
        (default_cache_dir(), tmp_path / "cache" / "inductor"),
        (str(tmp_path / "other" / "cache" / "inductor"), tmp_path / "cache" / "inductor"),
        (str(tmp_path / "mine"), tmp_path / "mine"),
    ):
        monkeypatch.delenv(COMPILED, raising=False)
        if before is not None:
            monkeypatch.setenv(COMPILED, before)
        share_compiled(tmp_path)
        assert cache_dir() == str(folder)


def halved_together(group, folder):
    """The second process has less memory."""
    from tests.bench.train import fits_on_digits

    module = Greedy(room=100 if group.rank == 0 else 10)
    trained = fits_on_digits.fit(folder, module, {"steps": 3, "batch_size": 50}, group=group)
    trained.run()
    torch.compile = functools.partial(torch.compile, backend="aot_eager")
    compiled, plain = (model() for _ in range(2))
    fits_on_digits.fit(folder / "compiled", compiled, {"steps": 3, "compile": True, "accumulate": 2}, group=group).run()
    fits_on_digits.fit(folder / "plain", plain, {"steps": 3, "accumulate": 2}, group=group).run()
    return trained.session.for_result(), module.seen[-1], (weights(compiled) - weights(plain)).abs().max()


def test_all_processes_halve_together_and_compiled_modules_train_together(tmp_path):
    digits()  # once, before the fork
    for found, images, difference in together(2, halved_together, tmp_path):
        assert found == {"accumulate": {"fit": 4}} and images <= 7
        assert difference < 1e-5

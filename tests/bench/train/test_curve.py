"""Losses of a fit: means of epochs that nothing changes, lines of the log, and nothing waited for."""

import json
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.store import log
from bench.train import checkpoint, curve
from bench.train import fit as fits
from bench.train.curve import Curve, points
from bench.train.group import Group
from bench.train.session import Interrupted
from tests.bench.device_waits import Waits
from tests.bench.train.fits_on_digits import fit, model
from tests.bench.train.processes_together import together

LINE = {"event", "time", "fit", "epoch", "step", "images", "loss", "lr", "images_per_second"}
losses = st.lists(st.floats(0, 10), min_size=1, max_size=40)


def lines(folder):
    return [event for event in log.read(folder / "log.jsonl") if event["event"] == "train"]


@given(losses, st.integers(1, 15), st.data())
def test_means_of_epochs_are_the_same_however_they_are_looked_at(values, per_epoch, data):
    """In looks of any size, with a checkpoint between any two, to the bit; and they are the means."""
    made, step = Curve(per_epoch, len(values)), 0
    while step < len(values):
        most = min(per_epoch - step % per_epoch, len(values) - step)
        look = data.draw(st.integers(1, most))
        made.add(values[step : step + look], step=step + look, images=4 * (step + look), lr=0.1)
        step += look
        if data.draw(st.booleans()):
            state, made = json.loads(json.dumps(made.state())), Curve(per_epoch, len(values))
            made.load_state(state)
    parts = [values[first : first + per_epoch] for first in range(0, len(values), per_epoch)]
    ends = [min((i + 1) * per_epoch, len(values)) for i in range(len(parts))]
    for point, part, end in zip(made.epochs, parts, ends, strict=True):
        total = 0.0
        for value in part:
            total += value
        assert point == {
            "epoch": end / per_epoch, "step": end, "images": 4 * end, "loss": total / len(part), "lr": 0.1,
        }  # fmt: skip
        exact = sum(map(Fraction, part)) / len(part)
        assert math.isclose(point["loss"], float(exact), rel_tol=1e-14)


def test_lines_at_the_end_of_epochs_and_every_ten_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(curve.time, "monotonic", lambda: now[0])
    made, told = Curve(per_epoch=8, total=10), {}
    for step, loss in enumerate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 11.0], start=1):
        now[0] += 4.0
        if step == 5:
            made.start_timing(4 * 10)  # a checkpoint took part of the time
        line = made.add([loss], step=step, images=10 * step, lr=step / 10)
        if line is not None:
            told[step] = line
    assert {step: line["loss"] for step, line in told.items()} == {3: 2.0, 6: 5.0, 8: 7.5, 10: 10.0}
    assert {step: line["images_per_second"] for step, line in told.items()} == {3: 2.5, 6: 5.0, 8: 2.5, 10: 2.5}
    assert [told[step].get("epoch_loss") for step in told] == [None, None, 4.5, 10.0]
    assert [told[step]["epoch"] for step in (3, 10)] == [3 / 8, 1.25] and told[6]["lr"] == 0.6
    assert [point["step"] for point in made.epochs] == [8, 10] and made.loss == 10.0
    assert points([{"event": "train", "fit": "aux", **line} for line in told.values()]) == {"aux": made.epochs}


def test_a_fit_tells_the_losses_of_its_steps(tmp_path, monkeypatch):
    """Against losses that are written down step by step; 21 steps of 50 images are an epoch of the digits."""
    seen, notes = [], []
    made = fit(tmp_path, model(), {"steps": 50, "lr": 0.01, "schedule": "cosine"})
    made.session.progress = lambda **note: notes.append(note)
    look = made.finite
    monkeypatch.setattr(made, "finite", lambda values: (look(values), seen.extend(values)))
    made.run()
    told = made.session.training()["fit"]
    assert [point["step"] for point in told] == [21, 42, 50] and len(seen) == 50
    for point, part in zip(told, (seen[:21], seen[21:42], seen[42:]), strict=True):
        assert point["loss"] == pytest.approx(sum(part) / len(part), rel=1e-12)
        assert point["images"] == 50 * point["step"] and point["epoch"] == point["step"] / 21
    assert told[0]["lr"] > told[1]["lr"] > told[2]["lr"] == made.update.optimizer.param_groups[0]["lr"]
    written = lines(tmp_path)
    assert [set(line) for line in written] == [LINE | {"epoch_loss"}] * 3
    assert points(written) == {"fit": told} and all(line["images_per_second"] > 0 for line in written)
    assert [(note["step"], note["loss"]) for note in notes] == [(line["step"], line["loss"]) for line in written]


@pytest.mark.parametrize("stop", [5, 21, 30, 50])
def test_stopped_anywhere_the_curve_is_the_same(stop, tmp_path):
    """Within an epoch, at its end, and at the end of the fit."""
    straight = fit(tmp_path / "a", model(), {"steps": 50})
    straight.run()
    stopped = fit(tmp_path / "b", model(), {"steps": 50})
    step = stopped.one_step

    def one_step(*batch):
        step(*batch)
        stopped.session.stop = stopped.step == stop

    stopped.one_step = one_step
    with pytest.raises(Interrupted, match=f"step {stop} of 50"):
        stopped.run()
    resumed = fit(tmp_path / "b", model(), {"steps": 50})
    resumed.run()
    assert resumed.session.training() == straight.session.training() and len(straight.session.training()["fit"]) == 3


@pytest.mark.parametrize(("stop", "known"), [(5, [42, 50]), (21, [42, 50]), (30, [50])])
def test_checkpoints_of_before_are_resumed(stop, known, tmp_path):
    """Epochs of which they knew losses and did not keep them have no point; the others have."""
    straight = fit(tmp_path / "a", model(), {"steps": 50})
    straight.run()
    stopped = fit(tmp_path / "b", model(), {"steps": 50})
    stopped.session.pause_due = lambda step, last: "stop" if step == stop else ""
    with pytest.raises(Interrupted):
        stopped.run()
    path = stopped.session.folder.checkpoint
    state, _ = checkpoint.load(path, Group())
    del state["current"]["curve"]
    checkpoint.save(path, state)
    resumed = fit(tmp_path / "b", model(), {"steps": 50})
    resumed.run()
    expected = [p for p in straight.session.training()["fit"] if p["step"] in known]
    assert resumed.session.training()["fit"] == expected
    assert all(p.equal(q) for p, q in zip(resumed.module.parameters(), straight.module.parameters(), strict=True))
    session = resumed.session
    del session.done["fit"]["curve"]
    session.save(None)
    restored = fit(tmp_path / "b", model(), {"steps": 50})
    restored.run()
    assert restored.session.training() == {}


def test_a_fit_that_is_restored_has_its_curve(tmp_path):
    made = fit(tmp_path, model(), {"steps": 25})
    made.run()
    made.session.save(None)
    again = fit(tmp_path, model(), {"steps": 25})
    again.run()
    assert again.session.training() == made.session.training() != {} and len(lines(tmp_path)) == 2


@pytest.mark.parametrize("every", [0.0, 1e9])
def test_a_curve_waits_for_nothing_that_was_not_waited_for(every, tmp_path, monkeypatch):
    """As on a GPU, where losses are looked at once in a number of steps and at the end of an epoch: only the looks
    wait, whether they write a line or not, and nothing is added up on the device."""
    monkeypatch.setattr(fits.Fit, "check_steps", 10)
    monkeypatch.setattr(curve, "EVERY", every)
    made = fit(tmp_path, model(), {"steps": 42})
    made.prepare()
    batches = [list(made.batches(made.order(epoch), epoch)) for epoch in range(2)]
    monkeypatch.setattr(made, "batches", lambda order, epoch: iter(batches[epoch]))
    made.flops_of(*batches[0][0])  # once per fit, on no device
    looks, add = [], made.curve.add
    monkeypatch.setattr(made.curve, "add", lambda losses, **at: (looks.append(len(losses)), add(losses, **at))[1])
    stacked = []
    stack = torch.stack
    monkeypatch.setattr(torch, "stack", lambda tensors: (stacked.append(len(tensors)), stack(tensors))[1])
    with Waits() as waits:
        made.loop()
    assert looks == [10, 10, 1] * 2 and stacked == [10, 10] * 2
    assert waits.seen == [torch.ops.aten._local_scalar_dense.default] * 2, "of the looks at one loss, as before"
    assert len(lines(tmp_path)) == (len(looks) if every == 0.0 else 2)


def of_group(group, folder):
    made = fit(folder, model(), {"steps": 25}, group=group)
    made.run()
    return made.session.training()["fit"]


def test_a_group_has_the_curve_of_one_process(tmp_path):
    (alone,) = together(1, of_group, tmp_path / "one")
    both = together(2, of_group, tmp_path / "two")
    assert both[0] == both[1] and len(alone) == 2
    for point, expected in zip(both[0], alone, strict=True):
        assert point == pytest.approx(expected, rel=1e-5)

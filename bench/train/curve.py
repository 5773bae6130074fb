"""What is told of a fit's losses: the mean over each epoch, and now and then a line of the log."""

import time
from typing import Any

EVERY = 10.0  # seconds between lines within an epoch, at least


class RunningMean:
    """A mean over steps, added up in double precision and step by step: the same bits however many losses are looked
    at at once, and from wherever a checkpoint goes on. (`sum` would compensate, in each call anew.)"""

    def __init__(self, total: float = 0.0, steps: int = 0) -> None:
        self.total, self.steps = total, steps

    def add(self, losses: list[float]) -> None:
        for loss in losses:
            self.total += loss
        self.steps += len(losses)

    @property
    def value(self) -> float:
        return self.total / self.steps


class Curve:
    """The losses of a fit of `total` steps, `per_epoch` of them an epoch, as its loop comes to know them.

    epochs: a point per epoch, and one where the fit ends within one: the mean loss over it, and where it ended.
    loss:   mean loss of the last line, None before the first.
    """

    def __init__(self, per_epoch: int, total: int) -> None:
        self.per_epoch, self.total = per_epoch, total
        self.epochs: list[dict[str, Any]] = []
        self.loss: float | None = None
        self._epoch, self._line = RunningMean(), RunningMean()  # since the epoch began, since the last line
        self._last_line = time.monotonic()
        self.start_timing(0)

    def start_timing(self, images: int) -> None:
        """Measure images per second anew, from `images` on: what was before is no training, or told already."""
        self._since = time.monotonic(), images

    def add(self, losses: list[float], *, step: int, images: int, lr: float) -> dict[str, Any] | None:
        """Take the losses of the steps before `step`, which are of one epoch.

        Returns the line to log where one is due: at the end of an epoch or of the fit, and after EVERY seconds.
        """
        self._epoch.add(losses)
        self._line.add(losses)
        ended, now = step % self.per_epoch == 0 or step >= self.total, time.monotonic()
        if not ended and now - self._last_line < EVERY:
            return None
        began, before = self._since
        point = {"epoch": step / self.per_epoch, "step": step, "images": images}
        self.loss = float(f"{self._line.value:.6g}")
        speed = round((images - before) / max(now - began, 1e-9), 1)
        line = {**point, "loss": self.loss, "lr": lr, "images_per_second": speed}
        if ended:
            line |= self._end_epoch(point, lr)
        self._line, self._last_line = RunningMean(), now
        self.start_timing(images)
        return line

    def _end_epoch(self, point: dict[str, Any], lr: float) -> dict[str, Any]:
        """Keep the epoch's mean, which its line also says; not where a checkpoint of an earlier version knew none of
        the losses before it."""
        mean, self._epoch = self._epoch, RunningMean()
        if mean.steps != (point["step"] - 1) % self.per_epoch + 1:
            return {}
        self.epochs.append({**point, "loss": mean.value, "lr": lr})
        return {"epoch_loss": mean.value}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"epochs": self.epochs, "sum": self._epoch.total, "steps": self._epoch.steps}

    def load_state(self, state: dict[str, Any] | None) -> None:
        """Go on from what `state` gave; None: from a checkpoint that has nothing of it."""
        if state is not None:
            self.epochs, self._epoch = list(state["epochs"]), RunningMean(state["sum"], state["steps"])


def points(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By fit, what `Curve.epochs` has, from the lines of a log: of a job that is not done."""
    fits: dict[str, dict[int, dict[str, Any]]] = {}
    for event in events:
        if event.get("event") == "train" and "epoch_loss" in event:
            point = {name: event[name] for name in ("epoch", "step", "images", "lr")} | {"loss": event["epoch_loss"]}
            fits.setdefault(event["fit"], {})[event["step"]] = point
    return {fit: list(by_step.values()) for fit, by_step in fits.items()}

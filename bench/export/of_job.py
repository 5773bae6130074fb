"""What a done job has left, as a folder for others: the start or the end of a run, an ancestor, a learngene."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench import files, models
from bench.data import DataSettings
from bench.data.dataset import Split
from bench.errors import BenchError, UsageError
from bench.export import card, folder, timm_folder
from bench.export.line import Done, Line, line
from bench.export.selection import Selected, tables
from bench.export.sources import MODELS, LeftModel, Say, require_file
from bench.jobs.ancestor import AncestorJob
from bench.jobs.inputs import MethodInput
from bench.jobs.kinds import DESCRIPTIONS
from bench.jobs.model import KINDS, LEARNGENE_FILE
from bench.jobs.parts.artifacts import ArtifactDamaged
from bench.jobs.parts.context import Context
from bench.output import at_intervals
from bench.provenance import provenance
from bench.store import Store
from bench.train.evaluate import evaluate
from methods import Learngene
from methods.vit import spec_of

LEEWAY = 0.5  # points of top-1 by which another kind of device may round otherwise


def export(
    store: Store, selected: Selected, what: str | None, out: Path, *, force: bool, use: str | None, say: Say
) -> str:
    """Write the folder `out`; returns the lines to paste. Nothing is written unless all that it says was seen to hold.

    what: one of `exported` of its kind; default: the end of a run, of other jobs themselves. use: the method from
    outside whose code may be run. say: takes what is being done. Raises UsageError, or BenchError for what does not
    hold.
    """
    folder.check(out, store.root, force=force)
    exported = DESCRIPTIONS[selected.kind].exported
    if not exported:
        others = " or ".join(kind for kind in KINDS if DESCRIPTIONS[kind].exported)
        raise UsageError(
            f"{selected.kind} {selected.id}: nothing of it can be exported; expected a job of kind {others}"
        )
    what = what or exported[0]
    if what not in exported:
        raise UsageError(f"--what {what}: {selected.kind} {selected.id} has none; expected {' or '.join(exported)}")
    history = line(store, selected.kind, selected.id)
    try:
        if what == "learngene":
            return _learngene(store, history, out)
        if what == "ancestor":
            history = Line(ancestors=(_only_ancestor(history),))
        source = MODELS[what](store, history, use, say)
        return _model(what, source, history, selected, store, out, say)
    except (ArtifactDamaged, ValueError, FileNotFoundError) as error:
        raise BenchError(f"{what} of {selected.kind} {selected.id}: {error}") from None


def _learngene(store: Store, history: Line, out: Path) -> str:
    step = history.learngene
    if step is None:
        raise UsageError("its learngene is not there any more, or is damaged; bench run makes it again")
    result = step.result
    require_file(step, LEARNGENE_FILE)
    with folder.written(out, {"what": "learngene", "jobs": card.sources(history)}) as place:
        shutil.copyfile(store.job_dir("learngene", step.id).path / LEARNGENE_FILE, place / LEARNGENE_FILE)
        if files.sha256(place / LEARNGENE_FILE) != result["artifacts"][LEARNGENE_FILE]["sha256"]:
            raise BenchError(f"learngene {step.id}: its copy has another checksum than its result names")
        gene = Learngene.load(place / LEARNGENE_FILE)
        if gene.stored_params != result["stored_params"]:
            raise BenchError(
                f"learngene {step.id}: {gene.stored_params:,} numbers, its result says {result['stored_params']:,}"
            )
        rows = card.of_method(history.method) + card.of_line(history) + card.of_code(result)
        usage = _usage_of_learngene(history.method, out)
        (place / card.FILE).write_text(card.card(step.id, rows, usage, language="bash"), encoding="utf-8")
    return usage


def _usage_of_learngene(method: MethodInput | None, out: Path) -> str:
    name = method.use if method else "NAME"
    return f"python -m bench init START --method {name} --learngene {out.absolute() / LEARNGENE_FILE} --to depth=6"


def _only_ancestor(history: Line) -> Done:
    if len(history.ancestors) != 1:
        named = ", ".join(ancestor.id for ancestor in history.ancestors) or "none that is still there"
        raise UsageError(f"--what ancestor: its ancestors are {named}; expected one: name it in place of the run")
    return history.ancestors[0]


def _model(what: str, source: LeftModel, history: Line, selected: Selected, store: Store, out: Path, say: Say) -> str:
    """Write a model, load it back, and hold it against its row."""
    context, step = source.context, source.step
    data, device = context.data, context.session.device
    images = _images(data.settings, step)
    facts = {"what": what, "jobs": card.sources(history)}
    try:
        with folder.written(out, facts) as place:
            timm_folder.write(place, source.model, images, data.classes, data.class_id)
            again = timm_folder.loaded(place, source.model).to(device)
            part, split = source.split
            say(f"timm loads equal weights and logits; evaluating on {split.n:,} images of {step.job.data.name}")
            seen = _as_evaluated(again, step, context)
            scores = evaluate(seen, Watched(split, say), device, source.precision)
            remark = held(scores, source, split.n)
            say(f"top-1 {scores['top1']:.2f}% ({part}){remark}")
            rows = [("what", _title(what)), *card.of_method(history.method)]
            rows += size_rows(again, images) + card.of_accuracy(scores, split.n, part, step.job.data.name)
            rows += card.of_seeds(selected.rows, tables(store.root)) if what == "end" else []
            rows += card.of_line(history) + card.of_code(step.result)
            text = card.card(f"{step.id}, {what}", rows, timm_folder.lines(out.name))
            (place / card.FILE).write_text(text, encoding="utf-8")
    finally:
        context.close()
    return timm_folder.lines(out.absolute())


def _title(what: str) -> str:
    return {"end": "a target after its training", "start": "a target before its training"}.get(what, "an ancestor")


def _images(settings: DataSettings, step: Done) -> DataSettings:
    """How the model's images are prepared: as the data set's, but normalised as a classifier of timm was trained."""
    normalise = step.result.get("normalise") if isinstance(step.job, AncestorJob) else None
    return settings.model_copy(update={key: tuple(value) for key, value in (normalise or {}).items()})


def _as_evaluated(model: nn.Module, step: Done, context: Context) -> nn.Module:
    """The model as its job evaluated it: given images as the data set normalises them."""
    if "timm_model" not in step.result:
        return model
    from bench.jobs.parts.pretrained import as_trained  # not above: it takes half a second, and few need it

    return as_trained(model, dict(step.result), context.data, trained_here=False)


def size_rows(model: nn.Module, images: DataSettings) -> list[tuple[str, str]]:
    """Its size, for the card."""
    count = f"{sum(parameter.numel() for parameter in model.parameters()):,} parameters"
    try:
        spec = spec_of(model)
        blocks = f"{spec.depth} blocks of width {spec.embed_dim}, {spec.num_heads} heads, patches of {spec.patch_size}"
        text = f"{blocks}; {count}, {models.macs(spec):,} MACs an image"
    except TypeError:
        text = count
    return [("size", f"{text}; images {images.in_chans} x {images.img_size} x {images.img_size}")]


def held(scores: dict[str, float], source: LeftModel, n: int) -> str:
    """What to say of the scores beside those of the row. Raises BenchError where they are not the row's.

    On the CPU and the versions that the row was made with they are equal to the last bit; elsewhere top-1 is within
    `LEEWAY` points, or one image.
    """
    row = source.scores
    if row is None:
        return ""
    if all(scores[name] == row[name] for name in ("top1", "loss")):
        return ", as its row says, and the same loss to the last bit"
    here = provenance(source.context.session.device, source.step.job.computing.threads)
    alike = ("device_name", "torch", "timm", "threads")
    same = here["device"] == "cpu" and all(here[name] == source.step.result.get(name) for name in alike)
    difference = f"{scores['top1']:.4f}%, loss {scores['loss']!r}; its row says {row['top1']:.4f}%, {row['loss']!r}"
    if same or abs(scores["top1"] - row["top1"]) > max(LEEWAY, 100.5 / n):
        raise BenchError(f"loaded back, it is at {difference}; nothing was written")
    return f"; its row says {row['top1']:.2f}%, made on {source.step.result.get('device_name', 'another device')}"


class Watched:
    """A part of a data set that tells how far an evaluation is."""

    def __init__(self, split: Split, say: Say) -> None:
        self.split, self.n, self.labels, self.say = split, split.n, split.labels, say

    def batches(self, order: Any, **options: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """See `Split.batches`."""
        progress, seen = at_intervals(lambda seen: f"{seen:,} of {self.n:,} images", self.say), 0
        for images, labels in self.split.batches(order, **options):
            yield images, labels
            seen += len(labels)
            progress(seen)

"""The schema of runs.csv (a row per run), curves.csv (a row per evaluation of a run) and training.csv (a row per epoch
of everything that was trained): names, kinds, units, meaning.

The contract's columns come first, in its order; the rest follow. Nothing here needs pandas.
"""

from dataclasses import dataclass
from typing import Literal

STATUSES = ("pending", "running", "done", "failed", "skipped", "interrupted")
STAGES = ("ancestor", "learngene", "init", "train")
Kind = Literal["text", "int", "float", "bool"]


@dataclass(frozen=True)
class Column:
    """One column. A missing value is an empty field: "" for text, NA for the other kinds."""

    name: str
    kind: Kind
    unit: str
    meaning: str


def _columns(table: str) -> list[Column]:
    """Columns from lines of `name | kind | unit | meaning`."""
    rows = ([field.strip() for field in line.split("|")] for line in table.strip().splitlines())
    return [Column(*row) for row in rows]  # type: ignore[arg-type]


def _stage(stage: str) -> list[Column]:
    what = {
        "ancestor": "training the ancestor (shared: counted once per identity)",
        "learngene": "making the learngene (shared: counted once per identity)",
        "init": "initialising this target",
        "train": "training this target",
    }[stage]
    return [
        Column(f"{stage}_images", "int", "images", f"images seen by {what}"),
        Column(f"{stage}_flops", "float", "FLOPs", f"FLOPs of {what}; 1 MAC = 2 FLOPs"),
        Column(f"{stage}_seconds", "float", "s", f"wall time of {what}"),
    ]


CONTRACT: list[Column] = [
    *_columns("""
    suite               | text  |        | name of the suite
    run                 | text  |        | identity of the run
    method              | text  |        | label of the method in the suite
    options             | text  |        | options of the method, JSON
    dataset             | text  |        | data set that the run trains and is tested on
    arch                | text  |        | architecture of the target
    target              | text  |        | readable name of the target's size
    embed_dim           | int   |        | width of the target
    depth               | int   | blocks | depth of the target
    num_heads           | int   |        | attention heads of the target
    seed                | int   |        | seed of the run, the replication unit
    status              | text  |        | pending, running, done, failed, skipped or interrupted
    reason              | text  |        | why it is skipped, failed or pending again
    params              | int   |        | parameters of the target, head included
    macs                | int   | MACs   | multiply-accumulates of one forward pass of one image
    ancestor            | text  |        | identity of the ancestor, empty without one
    learngene           | text  |        | identity of the learngene, empty without one
    stored_params       | int   |        | parameters that the method stores, head left out
    stored_params_head  | int   |        | parameters that it stores for the head
    stored_bytes        | int   | bytes  | bytes that it stores, head included
    needs               | text  |        | what it was seen to use: nothing, ancestor, images, labels, teacher
    epochs              | float | epochs | epochs of the run's training
    top1_init           | float | %      | test top-1 before the first training step
    top1                | float | %      | test top-1 at the end
    top5                | float | %      | test top-5 at the end
    best_top1           | float | %      | test top-1 at the best validation epoch
    loss                | float | nats   | test loss at the end
    ancestor_top1       | float | %      | test top-1 of the ancestor, empty where it is of another data set
    """),
    *(column for stage in STAGES for column in _stage(stage)),
    *_columns("""
    eval_seconds        | float | s      | time spent in evaluation, not in the stages
    peak_memory_bytes   | int   | bytes  | peak memory of the run
    energy_joules       | float | J      | energy of the device while the run trained, where the device tells
    device              | text  |        | kind of device: cpu, cuda, ...
    workers_on_device   | int   |        | workers that shared the device
    restarts            | int   |        | how often the run was resumed
    git_sha             | text  |        | commit of the code
    torch               | text  |        | version of torch
    timm                | text  |        | version of timm
    started_at          | text  |        | start of the run, ISO 8601
    """),
]

EXTRA: list[Column] = _columns("""
    method_use              | text  |        | registered name of the method behind the label
    method_seed             | int   |        | seed that the ancestor and the learngene were made with
    version                 | int   |        | version of the method
    head                    | text  |        | whether the classifier shall transfer: transfer or fresh
    head_used               | text  |        | what became of it: transfer or fresh; empty in results of old versions
    unmetered               | int   | passes | forward passes of the method on no meter: their FLOPs are in no column
    replicate               | text  |        | run: one learngene for all seeds; all: made anew per seed
    budget                  | text  |        | what is equal between methods: epochs or total
    control                 | text  |        | which control this label is, empty for a method itself
    families                | text  |        | families of tests that the suite declares, JSON by name; else empty
    lr                      | float |        | learning rate of the run's training
    tune                    | text  |        | what was tuned on the validation split, JSON, empty for nothing
    best_epoch              | float | epochs | best epoch by validation top-1
    val_top1                | float | %      | validation top-1 at the end
    eval                    | text  |        | of tables from elsewhere: what top1 is measured on; runs leave it empty
    precision               | text  |        | arithmetic of training: fp32, bf16 or fp16
    fingerprint             | text  |        | what its identity sees of images: content, sample, counts; or vouched
    data                    | text  |        | hash of what its identity sees of the data set
    recipe                  | text  |        | how the run trains: what is not at its default, JSON; without a tuned lr
    caution                 | text  |        | what a reader of the method's results has to know; after a colon why
    threads                 | int   |        | CPU threads of the run
    devices                 | int   |        | devices that the run used at once
    tuning                  | text  |        | identities of the tuning runs on this target, empty without any
    tuning_images           | int   | images | images seen by them (shared by all seeds: counted once per identity)
    tuning_flops            | float | FLOPs  | FLOPs of them
    tuning_seconds          | float | s      | wall time of them
    ancestor_each           | text  |        | cost of each of several ancestors, JSON: identity to columns; else empty
    ancestor_workers        | int   |        | workers on the device while the ancestor trained
    learngene_workers       | int   |        | workers on the device while the learngene was made
    tuning_workers          | int   |        | workers on the device while the tuning runs trained
    init_workers            | int   |        | workers on the device while the target was initialised
    ancestor_energy_joules  | float | J      | energy of the device while the ancestor trained
    learngene_energy_joules | float | J      | energy of the device while the learngene was made
    ancestor_devices        | int   |        | devices that trained the ancestor at once
    learngene_devices       | int   |        | devices that the learngene was made on at once
    tuning_devices          | int   |        | devices that a tuning run used at once
    init_devices            | int   |        | devices that the target was initialised on at once
    tuning_energy_joules    | float | J      | energy of the device while the tuning runs trained
    init_energy_joules      | float | J      | energy of the device while the target was initialised
    device_name             | text  |        | model of the device
    host                    | text  |        | machine
    python                  | text  |        | version of Python
    engine                  | int   |        | version of the training semantics
    git_dirty               | bool  |        | whether the code differed from its commit
    error                   | text  |        | last line of a failure
    log                     | text  |        | path of the run's log
""")

# what joining adds to the columns of `results.rows`
JOINED: list[Column] = _columns("""
    source                  | text  |        | of joined results: where the row is from; (own): the user ran it
    setting                 | int   |        | of results joined across engine, data or recipe: which of these it has
    block                   | text  |        | of joined results: kind of device; only within a block do seeds pair
""")

RUNS: list[Column] = CONTRACT + EXTRA + JOINED
CURVES: list[Column] = _columns("""
    run      | text  |        | identity of the run
    epoch    | float | epochs | epochs trained so far, from 0
    step     | int   | steps  | optimiser steps so far, from 0
    images   | int   | images | training images seen so far
    flops    | float | FLOPs  | training FLOPs so far
    seconds  | float | s      | training time so far, evaluation left out
    top1     | float | %      | test top-1
    val_top1 | float | %      | validation top-1
    loss     | float | nats   | test loss
""")
TRAINING: list[Column] = _columns("""
    suite   | text  |        | name of the suite
    dataset | text  |        | data sets of the runs that the job is for, separated by spaces
    kind    | text  |        | kind of job: ancestor, learngene, start or run
    job     | text  |        | identity of the job
    used_by | text  |        | labels whose runs use it, separated by spaces; of a run, its name
    fit     | text  |        | what is trained, by the method's name for it
    epoch   | float | epochs | epochs trained so far, at the end of this one
    step    | int   | steps  | optimiser steps so far
    images  | int   | images | training images seen so far
    loss    | float |        | training loss, the mean over this epoch's steps
    lr      | float |        | learning rate of its last step
""")

"""Decoding processes: they change nothing, are kept, and heed the main process only."""

import os
import subprocess

import torch

from bench.data import AugmentSettings, load
from bench.data.dataset import _workers
from tests.bench.data.small_folder import batches, settings

STRONG = AugmentSettings(crop="rrc", hflip=0.5, auto_augment="rand-m9-mstd0.5-inc1", re_prob=0.5, re_mode="pixel")


def processes(dataset):
    return [worker for loader, _ in dataset.pool._idle for worker in loader._iterator._workers]


def test_workers_change_nothing_and_are_kept(folder):
    order, kwargs = torch.arange(34).flip(0).split(5), {"epoch": 2, "seed": 1, "augment": STRONG}
    alone = batches(load(settings(folder, workers=0)).train, order, **kwargs)
    before = torch.get_rng_state()
    for workers in (1, 2):
        dataset = load(settings(folder, workers=workers))
        assert all(map(torch.equal, batches(dataset.train, order, **kwargs), alone))
        first = {w.pid for w in processes(dataset)}
        left_early = dataset.train.batches(order, **kwargs)
        assert torch.equal(next(left_early)[0], alone[0][:5])
        meanwhile = batches(dataset.test, [torch.arange(10)], epoch=0, seed=0)[0]  # while the first is under way
        assert torch.equal(next(left_early)[0], alone[0][5:10])
        left_early.close()
        assert torch.equal(meanwhile, batches(dataset.test, torch.arange(10).split(3), epoch=0, seed=0)[0])
        assert all(map(torch.equal, batches(dataset.train, order, **kwargs), alone))
        kept = processes(dataset)
        assert first < {w.pid for w in kept} and len(kept) == 2 * workers
        dataset.close()
        assert not any(w.is_alive() for w in kept)
    assert torch.equal(before, torch.get_rng_state())


def test_processes_for_a_gpu_share_the_cores(folder, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(48), raising=False)
    data, gpu = settings(folder), torch.device("cuda")
    assert _workers(data, torch.device("cpu"), 1) == 0 and _workers(settings(folder, workers=3), gpu, 9) == 3
    assert [_workers(data, gpu, beside) for beside in (1, 4, 100)] == [16, 12, 1]
    monkeypatch.setenv("BENCH_RUNS_AT_ONCE", "8")
    assert [_workers(data, gpu, beside) for beside in (1, 2)] == [6, 3]


def test_signals_to_all_processes_of_a_job_do_not_end_the_workers(folder):
    dataset = load(settings(folder, workers=2))
    order = torch.arange(34).split(2)
    batches(dataset.train, order, epoch=0, seed=0)
    workers = processes(dataset)
    iterator = dataset.train.batches(order, epoch=0, seed=0)
    next(iterator)
    for name in ("TERM", "INT", "USR1", "USR2"):
        subprocess.run(["kill", f"-{name}", *(str(w.pid) for w in workers)], check=True)
    assert len(list(iterator)) == 16
    assert all(w.is_alive() for w in workers)
    workers[0].terminate()  # but the main process can
    workers[0].join(20)
    assert workers[0].exitcode == 0
    for loader, _ in dataset.pool._idle:
        loader._iterator._workers_status[0] = False  # torch would wait for it
    dataset.close()

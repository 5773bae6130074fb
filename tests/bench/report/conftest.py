"""Fixtures of the report's tests: a factory of synthetic runs, which exist only here."""

import pytest

from tests.bench.report.report_frames import make


@pytest.fixture
def make_frames():
    return make

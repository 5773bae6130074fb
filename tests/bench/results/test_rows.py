"""What is made of a plan and its results has the columns of the schema, and no other: tables drop what it lacks."""

import pytest

from bench.data import describe
from bench.plan import make_plan
from bench.report.columns import CONTRACT, CURVES, EXTRA, TRAINING
from bench.results.rows import curves, rows
from bench.results.training import training
from bench.store import Store
from bench.suite import load
from tests.bench.tiny import write

UNFILLED = {"eval"}  # kept for tables that have it
TABLES = {"runs": (rows, [*CONTRACT, *EXTRA]), "curves": (curves, CURVES), "training": (training, TRAINING)}


def different(made, schema):
    """Columns that only one of them has: those of every row of `made`, and those of `schema`."""
    names = {column.name for column in schema} - UNFILLED
    return set().union(*(names ^ set(row) for row in made))


@pytest.mark.parametrize("table", TABLES)
def test_rows_have_the_columns_of_the_schema(tiny_once, tmp_path, table):
    """Add the value in bench/results, and the column with its unit and meaning in bench/report/columns.py."""
    make, schema = TABLES[table]
    plan = make_plan(load(write(tmp_path), [], look_at=describe), [])
    made = make(plan, Store(tiny_once))
    assert made and different(made, schema) == set(), "of bench/results or of bench/report/columns.py"
    assert different(make(plan, Store(tmp_path / "nothing")), schema) == set()

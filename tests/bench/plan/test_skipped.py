"""Runs that will not be have names of their own."""

from tests.bench.plans import Planner


def test_labels_that_differ_in_what_they_train_have_each_their_name(tmp_path):
    plan = Planner(tmp_path)("methods={a: {use: sws, stages: 2}, b: {use: sws, stages: 2, train: {epochs: 3}}}",
                             "targets=[{embed_dim: 32, num_heads: 2, depth: [1, 3]}]")  # fmt: skip
    assert all(cell.skipped for cell in plan.cells)
    assert len({cell.run for cell in plan.cells}) == len(plan.cells) == 8

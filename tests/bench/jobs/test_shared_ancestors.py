"""Methods that take several ancestors, or train one net for all sizes, from a suite to its table."""

import pytest

from tests.bench.tiny import bench, rows, write

SUITE = """
name: tiny
dataset: digits
ancestor:
  a: {model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}, train: {epochs: 1, batch_size: 216}}
  b: {model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}, train: {epochs: 1, batch_size: 216, lr: 2.0e-3}}
targets:
  - {embed_dim: 16, num_heads: 2, depth: 1, patch_size: 4}
  - {embed_dim: 8, num_heads: 1, depth: 2, patch_size: 4}
methods:
  greedy: {use: merge, how: greedy, ancestor: [a, b]}
  regmean: {use: merge, how: regmean, images: 200, then: {use: front, gain: preserve}, ancestor: [a, b]}
  ofa: {use: supernet, sort: l1, kl: 1.0, ancestor: a, train: {steps: 4, batch_size: 216}}
  autoformer: {use: supernet, start: fresh, train: {steps: 4, batch_size: 216}}
train: {epochs: 1, batch_size: 216}
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    assert bench("run", write(folder, SUITE), "--launcher", "inline", "--results", folder / "results") == 0
    return rows(folder / "results")


def of(table, method):
    return [row for row in table if row["method"] == method]


@pytest.mark.parametrize(
    ("method", "needs", "images"),
    [
        ("greedy", "ancestor+images+labels", 3 * 360),  # both, and their mean, on the validation part
        ("regmean", "ancestor+images", 2 * 200),
        ("ofa", "ancestor+images+labels+teacher", 4 * 216),
        ("autoformer", "images+labels", 4 * 216),
    ],
)
def test_what_a_method_uses_is_charged(table, method, needs, images):
    found = of(table, method)
    assert [row["status"] for row in found] == ["done"] * 2
    assert {(row["needs"], int(row["learngene_images"])) for row in found} == {(needs, images)}
    assert len({row["learngene"] for row in found}) == 1 and int(float(found[0]["learngene_flops"])) > 0


def test_which_ancestors_a_run_has(table):
    assert all(row["ancestor"].count("-digits-s0-") == 2 for row in of(table, "greedy"))
    assert all(row["ancestor"] == "" for row in of(table, "autoformer"))

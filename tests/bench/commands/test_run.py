"""`bench run` from end to end, in this process: what it writes, reuses, skips and survives."""

import json

import pytest

from bench.store.log import read as read_log
from tests.bench.tiny import SUITE, bench, numbers, rows, write


def jobs(results, kind="*"):
    return {path.parent.name: path for path in results.glob(f"jobs/{kind}/*/result.json")}


def test_every_method_is_measured(tiny_results):
    table = rows(tiny_results)
    assert len(table) == 5 * 2 * 2
    for row in table:
        if row["method"] == "weight_selection" and row["depth"] == "3":
            assert row["status"] == "skipped" and "depth" in row["reason"]
            continue
        assert row["status"] == "done", row["reason"]
        assert 0 <= float(row["top1"]) <= float(row["top5"]) <= 100
        assert float(row["epochs"]) == 2
        assert int(row["train_images"]) == 2 * (1077 // 216) * 216
        assert float(row["train_flops"]) > 0 and float(row["train_seconds"]) > 0


def test_costs_are_charged_where_they_arise(tiny_results):
    by_method = {row["method"]: row for row in rows(tiny_results) if row["depth"] == "1" and row["seed"] == "0"}
    random, selection, sws = (by_method[m] for m in ("random", "weight_selection", "sws"))
    growth, wave = by_method["mixture_growth"], by_method["wave"]
    assert random["ancestor_flops"] == "0.0" and random["learngene_flops"] == "0.0" and random["stored_params"] == "0"
    assert selection["ancestor_flops"] == sws["ancestor_flops"] == wave["ancestor_flops"] != "0.0"
    assert selection["learngene_flops"] == "0.0" and float(sws["learngene_flops"]) > 0
    assert growth["ancestor"] == "" and growth["ancestor_flops"] == "0.0" and float(growth["learngene_flops"]) > 0
    assert sws["init_images"] == "0" and int(wave["init_images"]) == 5 * 108  # all that its scalers are trained on
    assert random["needs"] == "nothing" and selection["needs"] == "ancestor"
    assert sws["needs"] == "ancestor+images+teacher" and growth["needs"] == "images+labels"
    assert wave["needs"] == "ancestor+images+labels+teacher"


def test_teacher_forward_is_charged(tiny_results):
    """SWS's auxiliary network has the ancestor's size: its training costs the same and a teacher forward besides."""
    sws = next(row for row in rows(tiny_results) if row["method"] == "sws")
    ancestor, learngene = float(sws["ancestor_flops"]), float(sws["learngene_flops"])
    assert 1.3 * ancestor < learngene < 1.4 * ancestor


def test_same_seed_same_start_for_all_methods(tiny_results):
    """The fresh target is the run's, not the method's: heads left fresh are equal."""
    evals = {id: json.loads(path.read_text())["evals"] for id, path in jobs(tiny_results, "run").items()}
    assert all(e[0]["step"] == 0 and e[-1]["epoch"] == 2 for e in evals.values())


def test_rerun_does_nothing(tiny_results, tmp_path, capsys):
    before = {id: path.stat().st_mtime_ns for id, path in jobs(tiny_results).items()}
    assert bench("run", write(tmp_path), "--launcher", "inline", "--results", tiny_results) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert {id: path.stat().st_mtime_ns for id, path in jobs(tiny_results).items()} == before


def test_changed_recipe_redoes_the_runs_alone(tiny_results, tmp_path):
    before = {kind: set(jobs(tiny_results, kind)) for kind in ("ancestor", "learngene", "start", "run")}
    options = ("--launcher", "inline", "--results", tiny_results, "--only", "wave-L1*-s0")
    assert bench("run", write(tmp_path), "--set", "train.epochs=0", "--set", "name=other", *options) == 0
    after = {kind: set(jobs(tiny_results, kind)) for kind in before}
    new = {kind: len(after[kind] - before[kind]) for kind in before}
    assert new == {"ancestor": 0, "learngene": 0, "start": 0, "run": 1}
    (row,) = rows(tiny_results, "other")
    assert row["top1"] == row["top1_init"] == row["best_top1"] and row["train_images"] == "0"


def test_only_runs_what_it_needs(tmp_path):
    only = ("--only", "sws-L1-*-s1")
    assert bench("run", write(tmp_path), "--launcher", "inline", "--results", tmp_path / "r", *only) == 0
    assert [row["run"].rpartition("-")[0] for row in rows(tmp_path / "r")] == ["sws-L1-d16-digits-s1"]
    assert len(jobs(tmp_path / "r")) == 3


def test_a_truncated_artifact_is_made_again(tiny_results, tmp_path, capsys):
    want = numbers(tiny_results)
    (gene,) = tiny_results.glob("jobs/learngene/sws*/learngene.safetensors")
    gene.write_bytes(gene.read_bytes()[:-7])
    (run,) = tiny_results.glob("jobs/run/sws-L1*s0*/result.json")
    run.write_text(run.read_text().replace("top1", "top2", 1))
    assert bench("run", write(tmp_path), "--launcher", "inline", "--results", tiny_results) == 0
    said = capsys.readouterr().out
    assert said.count("warning: ") == 2 and "bytes instead of" in said and "checksum" in said
    assert numbers(tiny_results) == want
    assert len(list(tiny_results.glob("jobs/*/*.damaged-*"))) == 2


FAILING = '''
from dataclasses import dataclass
from methods import Initializer, Learngene

@dataclass
class {name}(Initializer):
    """A method from outside."""
    scale: float = 0.5
    def condense(self, ancestor, lab):
        {condense}
        return Learngene(tensors={{}}, meta={{}})
    def initialize(self, target, learngene, lab):
        {initialize}
'''


def outside(folder, monkeypatch, name, condense="pass", initialize="pass"):
    """A module with a method, beside the suite; returns what `use` says."""
    (folder / f"{name.lower()}.py").write_text(FAILING.format(name=name, condense=condense, initialize=initialize))
    monkeypatch.syspath_prepend(str(folder))
    return f"{name.lower()}:{name}"


def test_a_method_from_outside(tmp_path, monkeypatch):
    scale = "[p.data.mul_(self.scale) for p in target.parameters()]"
    use = outside(tmp_path, monkeypatch, "Halved", initialize=scale)
    text = SUITE.replace("  random: {}\n", f"  halved: {{use: '{use}', scale: 0.25}}\n")
    only = ("--only", "halved-L1*-s0", "--launcher", "inline")
    assert bench("run", write(tmp_path, text), "--results", tmp_path / "r", *only) == 0
    (row,) = rows(tmp_path / "r")
    assert row["method"] == "halved" and row["status"] == "done" and json.loads(row["options"]) == {"scale": 0.25}


def test_a_failure_costs_its_own_run_alone(tmp_path, monkeypatch, capsys):
    use = outside(tmp_path, monkeypatch, "Broken", initialize="raise RuntimeError('boom')")
    text = SUITE.replace("  sws: {stages: 2}\n", f"  broken: {{use: '{use}'}}\n")
    options = ("--results", tmp_path / "r", "--launcher", "inline", "--only", "broken-*-s0", "--only", "random-*-s0")
    assert bench("run", write(tmp_path, text), *options) == 1
    said = capsys.readouterr().out.splitlines()
    table = {(row["method"], row["depth"]): row for row in rows(tmp_path / "r")}
    assert {key[0]: row["status"] for key, row in table.items()} == {"random": "done", "broken": "failed"}
    assert table["broken", "1"]["reason"] == "RuntimeError: boom"
    assert said[-1].startswith("  log: ") and said[-2].endswith("RuntimeError: boom")
    (log,) = (tmp_path / "r").glob("jobs/run/Broken-L1-*/log.jsonl")
    assert "Traceback" in read_log(log)[-1]["traceback"]


def test_a_failed_ancestor_skips_what_needs_it(tmp_path):
    text = SUITE.replace("epochs: 1, batch_size: 216,", "epochs: 1, batch_size: 216, lr: 1.0e+30, optimizer: sgd,")
    options = ("--results", tmp_path / "r", "--launcher", "inline", "--only", "sws-*-s0", "--only", "random-*-s0")
    assert bench("run", write(tmp_path, text), *options) == 1
    status = {row["method"]: (row["status"], row["reason"]) for row in rows(tmp_path / "r")}
    assert status["random"] == ("done", "")
    assert status["sws"][0] == "skipped" and "ancestor failed" in status["sws"][1]


def test_nan_is_a_failure_at_its_step(tmp_path):
    text = SUITE.replace("train: {epochs: 2, batch_size: 216}", "train: {epochs: 2, lr: 1.0e+30, optimizer: sgd}")
    options = ("--results", tmp_path / "r", "--launcher", "inline", "--only", "random-L1*-s0")
    assert bench("run", write(tmp_path, text), *options) == 1
    (row,) = rows(tmp_path / "r")
    assert row["status"] == "failed" and "loss is" in row["reason"] and "at step" in row["reason"]


def test_fail_fast_starts_nothing_more(tmp_path, monkeypatch):
    use = outside(tmp_path, monkeypatch, "Fatal", condense="raise RuntimeError('no')")
    text = SUITE.replace("  random: {}\n", f"  fatal: {{use: '{use}'}}\n")
    options = ("--results", tmp_path / "r", "--launcher", "inline", "--fail-fast")
    assert bench("run", write(tmp_path, text), *options) == 1
    assert not jobs(tmp_path / "r", "run")


@pytest.mark.parametrize("command", ["status", "plan", "report"])
def test_other_commands_on_what_is_there(command, tiny_results, tmp_path, capsys):
    assert bench(command, write(tmp_path), "--results", tiny_results) == 0
    assert "tiny" in capsys.readouterr().out

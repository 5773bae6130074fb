"""`--set`: what it changes, and what it says where it cannot."""

import pytest

from bench.suite import load
from tests.bench.tiny import SUITE, bench, write

GOOD = [
    ("train.epochs=6", lambda s: s.methods[0].runs.epochs == 6),
    ("train.lr=1e-2", lambda s: s.methods[0].runs.lr == 0.01),
    ("train.augment.hflip=0.5", lambda s: s.methods[0].runs.augment.hflip == 0.5),
    ("targets.0.depth=[2,4]", lambda s: [t.size["depth"] for t in s.targets] == [2, 4]),
    ("targets=[{embed_dim: 16, num_heads: 2}]", lambda s: len(s.targets) == 1),
    ("methods.wave.scaler_steps=7", lambda s: s.methods[-1].initializer.scaler_steps == 7),
    ("methods.again={use: random, scheme: jax}", lambda s: s.methods[-1].label == "again"),
    ("methods={random: {}}", lambda s: len(s.methods) == 1),
    ("seeds=[3, 5]", lambda s: s.methods[0].seeds == [3, 5]),
    ("name=other", lambda s: s.name == "other"),
    (" name = other ", lambda s: s.name == "other"),
    ("dataset={name: half, base: digits}", lambda s: s.data[0].name == "half"),
]


@pytest.mark.parametrize(("setting", "holds"), GOOD, ids=[g[0] for g in GOOD])
def test_set(setting, holds, tmp_path):
    path = write(tmp_path)
    assert not holds(load(path))
    assert holds(load(path, [setting]))


BAD = [
    ("train.epochs", "expected KEY=VALUE"),
    ("=3", "expected KEY=VALUE"),
    ("train..epochs=3", "expected KEY=VALUE"),
    (".=3", "expected KEY=VALUE"),
    ("train.epochs=[1", "not valid YAML"),
    ("train.epochs=!!python/name:os.system", "found the tag !!python/name:os.system"),
    ("train={epochs: 1, epochs: 2}", "epochs: duplicate key 'epochs'"),
    ("train.epochs=six", "train.epochs: expected a whole number, found 'six'"),
    ("train.epochs=-1", "train.epochs: expected at least 0, found -1"),
    ("train.epoch=3", "train.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
    ("trian.epochs=3", "trian: unknown key 'trian'; did you mean 'train'?"),
    ("train.epochs.x=3", "train.epochs is 2; it has no key 'x'"),
    ("train=3", "train: expected a mapping"),
    ("targets.1.depth=3", "targets is a list of 1; expected an index from 0 to 0, found '1'"),
    ("targets.-1.depth=3", "expected an index from 0 to 0, found '-1'"),
    ("targets.\u00b2.depth=3", "expected an index"),
    ("targets.first.depth=3", "expected an index"),
    ("targets.depth=3", "expected an index"),
    ("targets=[]", "targets: expected at least one entry"),
    ("methods={}", "methods: expected at least one entry"),
    ("tune={lr: [1.0e-3]}", "tune.lr: expected at least 2 entries, found [0.001]"),
    ("methods.3={}", "methods.3: unknown method '3'"),
    ("methods.wavee={}", "methods.wavee: unknown method 'wavee'; did you mean 'wave'?"),
    ("methods.wave.template_size=7", "methods.wave: template_size 7 does not divide"),
    ("dataset.root=x", "dataset is 'digits'; it has no key 'root'"),
    ("name=../x", "name: expected a name that matches"),
    ("seeds=.inf", "seeds: expected a count"),
    ("seeds=", "seeds: expected a count"),
]


@pytest.mark.parametrize(("setting", "says"), BAD, ids=[b[0] for b in BAD])
def test_bad_set(setting, says, tmp_path, capsys):
    assert bench("run", write(tmp_path), "--set", setting, "--results", tmp_path / "r") == 2
    out, err = capsys.readouterr()
    assert says in err and "--set" in err and setting.partition("=")[0] in err
    assert not out and not (tmp_path / "r").exists()


def test_set_reaches_one_of_two_that_share_an_anchor(tmp_path):
    text = SUITE.replace("random: {}", "random: {seeds: &s [0, 1]}").replace("seeds: 2\n", "seeds: *s\n")
    suite = load(write(tmp_path, text), ["seeds.1=9"])
    assert suite.methods[0].seeds == [0, 1] and suite.methods[1].seeds == [0, 9]


def test_later_settings_win_and_the_last_one_is_blamed(tmp_path, capsys):
    path = write(tmp_path)
    assert load(path, ["train.epochs=3", "train.epochs=4"]).methods[0].runs.epochs == 4
    assert bench("plan", path, "--set", "train.epochs=3", "--set", "train.epochs=x") == 2
    assert "--set train.epochs=x: train.epochs" in capsys.readouterr().err

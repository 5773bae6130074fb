"""Every way a suite can be wrong is a message with file, line and key, exit code 2, and nothing started."""

import pytest

from tests.bench.tiny import SUITE, bench, write

MODEL = "{embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}"
ANCESTOR_TRAIN = "{epochs: 1, batch_size: 216, augment: {shift: 1}}"
TARGET = "{embed_dim: 16, num_heads: 2, depth: [1, 3]}"
RUNS = "train: {epochs: 2, batch_size: 216}"
WAVE = "wave: {templates: 2, template_size: 8, scaler_steps: 5}"

# what is replaced in the good suite | by what | the key that the message names | what else it says
BAD = """
name: tiny | nane: tiny | nane | unknown key 'nane'; did you mean 'name'?
name: tiny | name: "tin y" | name | [A-Za-z0-9_-]
name: tiny | name: 3 | name | expected a string, found 3
name: tiny | name: jobs | name | 'jobs' is a folder of the results
dataset: digits | data: digits | data | unknown key 'data'; did you mean 'dataset'?
dataset: digits | dataset: digitz | dataset | unknown data set 'digitz'; did you mean 'digits'?
dataset: digits | dataset: {name: digits, num_classes: 11} | dataset | 10 classes, not num_classes: 11
dataset: digits | dataset: {name: digits, nam: 3} | dataset.nam | did you mean 'name'?
dataset: digits | dataset: {name: digits, root: 4} | dataset.root | expected a string, found 4
dataset: digits | dataset: {name: x, source: folder, root: /nowhere} | dataset | /nowhere is not a folder
dataset: digits | dataset: {name: x, source: folder, root: $NOT_SET} | dataset | NOT_SET is not set
dataset: digits | dataset: {name: digits, classes: [3, 10]} | dataset | no class 10 (there are 10 classes: 0, 1,
dataset: digits | dataset: {name: digits, classes: ["3", x]} | dataset | no class 'x' (there are 10 classes
dataset: digits | dataset: {name: digits, classes: [3, 4, "3"]} | dataset | '3' is asked for twice
dataset: digits | dataset: {name: digits, classes: [3]} | dataset | at least 2 of 10 classes, found 1
dataset: digits | dataset: {name: digits, per_class: 105} | dataset | of each class, but there are 104 of '8'
dataset: digits | dataset: {name: digits, classes: [8, 9], val_images: 71} | dataset | fewer than all of 71 images of 2
dataset: digits | dataset: [] | dataset | empty
dataset: digits | dataset: [digits, {name: mnist, nam: 3}] | dataset.1.nam | did you mean 'name'?
dataset: digits | dataset: [digits, digits] | dataset.1 | listed twice
dataset: digits | dataset: 4 | dataset | found 4
dataset: digits | dataset: | dataset | found nothing
{model} | 3 | ancestor.model | expected a mapping, found 3
{model} | {timm: 3} | ancestor.model.timm | expected a string, found 3
{model} | {embed_dim: 15, depth: 2, num_heads: 2, patch_size: 4} | ancestor.model | 15 is not divisible by num_heads 2
{model} | {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 3} | ancestor.model | 8 is not divisible by patch_size 3
{model} | {embed_dim: 16, depth: [2, 3], num_heads: 2, patch_size: 4} | ancestor.model | one size, found 2
{model} | {embed_dim: 16, dept: 2} | ancestor.model.dept | did you mean 'depth'?
{model} | {embed_dim: 16, num_heads: 2, patch_size: 4, num_classes: 9} | ancestor.model | num_classes 9 contradicts
train: {ancestor_train} | train: 3 | ancestor.train | expected a mapping
{model} | {checkpoint: nowhere.pt} | ancestor.model.checkpoint | 'nowhere.pt' is no file
{model} | {checkpoint: /} | ancestor.model.checkpoint | '/' is no file
{ancestor_train} | {augment: {shif: 1}} | ancestor.train.augment.shif | did you mean 'shift'?
{ancestor_train} | {augment: {crop: rrc}} | ancestor.train.augment | not for digits
{ancestor_train} | {drop-path: 0.1} | ancestor.train.drop-path | did you mean 'drop_path'?
{ancestor_train} | {int: 3} | ancestor.train.int | unknown key 'int'
train: {ancestor_train} | dataset: digitz | ancestor.dataset | did you mean 'digits'?
train: {ancestor_train} | dataset: {name: digits, classes: [3, 10]} | ancestor.dataset | no class 10 (there are 10
train: {ancestor_train} | trian: {} | ancestor.trian | did you mean 'train'?
{target} | {embed_dim: 16, num_heads: 2, depth: []} | targets.0.depth | at least one entry
{target} | {embed_dim: 16, num_heads: 2, depth: [1, x]} | targets.0.depth.1 | expected a whole number, found 'x'
{target} | {embed_dim: 16, num_heads: 2, depth: 0} | targets.0.depth | expected at least 1, found 0
{target} | {embed_dim: 16, num_heads: 2, depth: 2.0} | targets.0.depth | expected a whole number, found 2.0
{target} | {embed_dim: 16, num_heads: 2, depth: 010} | targets.0.depth | expected a whole number, found '010'
{target} | {embed_dim: 16, num_heads: 2, depth: true} | targets.0.depth | expected a whole number, found true
{target} | {embed_dim: 16, num_heads: 2, depth: 99999999999} | targets.0.depth | expected at most
{target} | {embed_dim: 16, num_heads: 2, deth: 1} | targets.0.deth | did you mean 'depth'?
{target} | {embed_dim: 16, num_heads: 3} | targets.0 | embed_dim 16 is not divisible by num_heads 3
{target} | {embed_dim: 20} | targets.0 | embed_dim 20 is not divisible by the ancestor's head_dim 8
{target} | {embed_dim: 20, head_dim: 8} | targets.0 | embed_dim 20 is not divisible by head_dim 8
{target} | {embed_dim: 16, num_heads: 2, head_dim: 8} | targets.0 | num_heads and head_dim are both given
{target} | {embed_dim: 16, num_heads: 2, mlp_ratio: 0.01} | targets.0 | leaves no hidden unit
{target} | {preset: deit_tin} | targets.0 | did you mean 'deit_tiny'?
{target} | {embed_dim: 16, num_heads: 2, num_classes: 9} | targets.0 | num_classes 9 contradicts
{target} | {embed_dim: 16, num_heads: 2, global_pool: token} | targets.0 | class_token
{target} | {embed_dim: 16, num_heads: 2, global_pool: tokens} | targets.0.global_pool | did you mean 'token'?
{target} | {embed_dim: 16, num_heads: 2, ancestor: foo} | targets.0.ancestor | no ancestor is named 'foo'
{target} | {embed_dim: 16, num_heads: 2, arch: swin} | targets.0.arch | unknown value 'swin'
{target} | 3 | targets.0 | expected a mapping such as
random: {} | randon: {} | methods.randon | unknown method 'randon'; did you mean 'random'?
random: {} | r: {use: randon} | methods.r.use | unknown method 'randon'; did you mean 'random'?
random: {} | random: {schem: jax} | methods.random.schem | unknown option 'schem'; did you mean 'scheme'?
random: {} | random: {scheme: jaxx} | methods.random.scheme | unknown value 'jaxx'; did you mean 'jax'?
random: {} | random: {scheme: 3} | methods.random.scheme | unknown value 3
random: {} | random: 3 | methods.random | expected a mapping
{wave} | sws: {} | methods.sws | duplicate key 'sws', first in line
random: {} | "a/b": {use: random} | methods.a/b | found 'a/b'
random: {} | "..": {use: random} | methods... | found '..'
random: {} | r: {use: "nomodule:X"} | methods.r.use | No module named 'nomodule'
random: {} | r: {use: "os:system"} | methods.r.use | expected a subclass of methods.Initializer
random: {} | r: {use: "methods:Nothing"} | methods.r.use | 'methods' has no 'Nothing'
random: {} | r: {use: ":X"} | methods.r.use | cannot be imported
random: {} | r: {use: 3} | methods.r.use | expected a string, found 3
random: {} | random: {condense_on: digits} | methods.random.condense_on | random learns from no images
{wave} | wave: {template_size: 8, condense_on: glyphs} | methods.wave.condense_on | glyphs has img_size 20; expected
{wave} | tleg: {condense_on: {name: h, base: digits, classes: [5, 6]}} | methods.tleg.condense_on | h has the classes 5
seeds: 2 | tune: {lr: [0.1, 0.1]} | tune | lr lists one of them twice
random: {} | random: {seeds: 0} | methods.random.seeds | found 0
random: {} | random: {seeds: []} | methods.random.seeds | found []
random: {} | random: {ancestor: nobody} | methods.random.ancestor | no ancestor is named 'nobody'
random: {} | random: {ancestor: 3} | methods.random.ancestor | expected a string or a list, found 3
random: {} | random: {runs: {epoch: 1}} | methods.random.runs.epoch | did you mean 'epochs'?
random: {} | random: {train: {epochs: 1}} | methods.random.train | random trains nothing itself
random: {} | random: {train: {epochs: -1}} | methods.random.train.epochs | expected at least 0, found -1
{wave} | wave: {template_size: 7} | methods.wave | template_size 7 does not divide
{wave} | wave: {template_size: fuhl} | methods.wave.template_size | expected a whole number or 'full', found 'fuhl'
{wave} | wave: {template_size: 8.0} | methods.wave.template_size | found 8.0
{wave} | wave: {templates: {qkv: 3, fc: 2}} | methods.wave.templates.fc | did you mean 'fc2'?
{wave} | wave: {template_size: 8, kl: .nan} | methods.wave.kl | expected a number, found '.nan'
{wave} | wave: {template_size: 8, kl: 1e999} | methods.wave.kl | too large
{wave} | wave: {template_size: 8, scaler_train: {mixpu: 0}} | methods.wave.scaler_train.mixpu | did you mean 'mixup'?
{wave} | wave: {template_size: 8, scaler_train: {lr: 0.1}} | methods.wave | scaler_train.lr has an option of its own
{wave} | wave: {template_size: 8, scaler_train: {augment: {crop: rrc}}} | methods.wave.scaler_train.augment | crop: not
{wave} | wave: {template_size: 8, scaler_train: {batch_size: 33, mixup: 0.1}} | methods.wave.scaler_train | must be even
{wave} | wave: {template_size: 8, scaler_train: 3} | methods.wave.scaler_train | expected a mapping
{wave} | wave: {template_siz: 8} | methods.wave.template_siz | did you mean 'template_size'?
sws: {stages: 2} | sws: {stages: 5} | methods.sws | stages 5 is more than the ancestor's depth 2
sws: {stages: 2} | sws: {stages: two} | methods.sws.stages | expected a whole number, found 'two'
{runs} | train: 5 | train | expected a mapping such as {epochs: 5
{runs} | train: {epochs: -1} | train.epochs | expected at least 0, found -1
{runs} | train: {epochs: 1.5} | train.epochs | expected a whole number, found 1.5
{runs} | train: {lr: fast} | train.lr | expected a number, found 'fast'
{runs} | train: {lr: 0.0} | train.lr | expected above 0, found 0.0
{runs} | train: {optimizer: adamww} | train.optimizer | did you mean 'adamw'?
{runs} | train: {precision: fp8} | train.precision | unknown value 'fp8'
{runs} | train: {compile: yes} | train.compile | expected true or false, found 'yes'
{runs} | train: {betas: [0.9]} | train.betas | too few entries, found [0.9]
{runs} | train: {augment: {hflipp: 1}} | train.augment.hflipp | did you mean 'hflip'?
{runs} | train: {augment: {crop: rrc}} | train.augment | not for digits
random: {} | random: {runs: {augment: {crop: rrc}}} | methods.random.runs.augment | not for digits
{runs} | train: {distill: {klx: 1}} | train.distill.klx | did you mean 'kl'?
seeds: 2 | seeds: 0 | seeds | expected a count from 1
seeds: 2 | seeds: -1 | seeds | found -1
seeds: 2 | seeds: 1000000000000 | seeds | found 1000000000000
seeds: 2 | seeds: [] | seeds | found []
seeds: 2 | seeds: [1, 1] | seeds | a seed is listed twice
seeds: 2 | seeds: [0, true] | seeds | found [0, True]
seeds: 2 | seeds: 1_0 | seeds | found '1_0'
seeds: 2 | seed: 2 | seed | did you mean 'seeds'?
seeds: 2 | replicate: alll | replicate | did you mean 'all'?
seeds: 2 | teacher: foo | teacher | no ancestor is named 'foo'
seeds: 2 | families: {} | families | expected at least one entry, found {}
seeds: 2 | families: {main: [sws, wave]} | families.main | expected a mapping such as
seeds: 2 | families: {main: {}} | families.main | expected either among, or against and labels, found neither
seeds: 2 | families: {main: {against: sws}} | families.main | or against and labels, found against
seeds: 2 | families: {main: {among: [sws, wave], against: sws}} | families.main | found against and among
seeds: 2 | families: {main: {among: []}} | families.main.among | expected at least one entry, found []
seeds: 2 | families: {main: {among: [sws]}} | families.main | among has one label, 'sws'; expected at least two
seeds: 2 | families: {main: {among: [sws, sws]}} | families.main | among lists 'sws' twice
seeds: 2 | families: {main: {among: [sws, wav]}} | families.main.among | the label 'wav'; did you mean 'wave'?
seeds: 2 | families: {main: {against: rando, labels: [sws]}} | families.main.against | did you mean 'random'?
seeds: 2 | families: {main: {against: sws, labels: [wave, sws]}} | families.main | 'sws' is compared with itself
seeds: 2 | families: {main: {among: [sws, wave], margin: 0}} | families.main.margin | expected above 0, found 0
seeds: 2 | families: {main: {among: [sws, wave], margin: .nan}} | families.main.margin | expected a number, found '.nan'
seeds: 2 | families: {main: {among: [sws, wave], metric: top5}} | families.main.metric | unknown value 'top5'
seeds: 2 | families: {main: {among: [sws, wave], targets: [L2-d16]}} | families.main.targets | named 'L2-d16'; did
seeds: 2 | families: {main: {among: [sws, wave], marginn: 1}} | families.main.marginn | did you mean 'margin'?
seeds: 2 | threads: 0 | threads | expected at least 1, found 0
seeds: 2 | keep_weights: strat | keep_weights | did you mean 'start'?
seeds: 2 | device: cdua | device | did you mean 'cuda'?
seeds: 2 | launcher: locale | launcher | did you mean 'local'?
seeds: 2 | jobs: 0 | jobs | expected at least 1, found 0
seeds: 2 | slurm: 3 | slurm | expected a mapping, found 3
seeds: 2 | seeds: 2024-01-01 | seeds | found '2024-01-01'
{seconds: 0.2} | {second: 1} | checkpoint.second | did you mean 'seconds'?
{seconds: 0.2} | {seconds: 0} | checkpoint.seconds | expected above 0, found 0
"""
NAMES = {"model": MODEL, "ancestor_train": ANCESTOR_TRAIN, "target": TARGET, "runs": RUNS, "wave": WAVE}


def cases():
    for line in BAD.strip().splitlines():
        old, new, key, says = line.split(" | ")
        for name, text in NAMES.items():
            old = old.replace(f"{{{name}}}", text)
        yield pytest.param(old, new, key, says, id=new)


@pytest.mark.parametrize(("old", "new", "key", "says"), list(cases()))
def test_bad_value(old, new, key, says, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    assert SUITE.count(old) == 1
    path = write(tmp_path, SUITE.replace(old, new))
    assert bench("run", path, "--results", tmp_path / "results") == 2
    out, err = capsys.readouterr()
    line = SUITE[: SUITE.index(old)].count("\n") + 1
    (said,) = (text.partition(f"{path}:{line}: {key}: ")[2] for text in err.splitlines() if f": {key}: " in text)
    assert says in said
    assert not out and "Traceback" not in err
    assert not (tmp_path / "results").exists()

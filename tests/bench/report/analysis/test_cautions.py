"""What a report warns of."""

from bench.report.analysis.cautions import warnings_of


def test_mixtures_are_warned_of(make_frames):
    runs, _ = make_frames(seeds=5)
    assert len(warnings_of(runs)) == 1  # made once: given one learngene
    runs["replicate"] = "all"
    assert warnings_of(runs) == []
    mixed = {"git_sha": "code versions", "engine": "training semantics", "torch": "versions of torch"}
    mixed |= {"device": "kinds of device", "device_name": "device models", "host": "machines", "threads": "threads"}
    for column, words in mixed.items():
        changed = runs.copy()
        changed.loc[0, column] = 2 if column in ("engine", "threads") else "another"
        assert any("mixed" in w and words in w for w in warnings_of(changed)), column
    runs.loc[0, "git_dirty"] = True
    assert any("differed from its commit" in w for w in warnings_of(runs))
    assert warnings_of(runs[runs["seed"] < 2])[0].startswith("tiny: TOO FEW SEEDS: 15 of 15 cells")
    assert warnings_of(runs[runs["seed"] < 3])[0].startswith("tiny: FEW SEEDS: 15 of 15 cells have fewer than 5")

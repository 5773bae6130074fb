"""Published numbers: whose they are, and where they stand beside a suite's."""

from bench.report.analysis.published import matching, one_spelling, published
from bench.report.analysis.sections import sections


def test_every_published_number_has_its_source_and_conditions():
    rows = published()
    assert len(rows) > 10
    assert rows[["method", "metric", "value", "conditions", "source"]].notna().all(axis=None)
    assert rows["source"].str.startswith("https://").all()


def test_published_numbers_match_only_the_same_setting(make_frames):
    def found(**changes):
        runs, _ = make_frames(
            methods=("random", "weight_selection"), depths=(12,), widths=(192,), datasets=("CIFAR-100",)
        )
        (section,) = sections(runs.assign(**({"epochs": 300.0} | changes)))
        return (
            dict(zip(*matching(section)[["method", "value"]].to_numpy().T, strict=True))
            if len(matching(section))
            else {}
        )

    assert found() == {"random": 72.4, "weight_selection": 81.4}
    assert found(epochs=10.0) == found(depth=6) == found(dataset="digits") == found(control="shuffled") == {}
    assert one_spelling("ImageNet-1k") == one_spelling("imagenet") != one_spelling("imagenette")

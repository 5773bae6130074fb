"""What pictures must not do: rank methods over different sizes, cut markers, draw what was not evaluated."""

import numpy as np

from bench.report.analysis.leading import by_accuracy
from bench.report.analysis.section_analysis import analyse
from bench.report.plots import accuracy_vs_stored, critical_difference, learning_curves, own_training
from bench.report.plots.canvas import theme
from bench.report.style import looks
from tests.bench.report.report_frames import make_training


def easy_alone(make_frames):
    """wave has finished the easiest of three sizes alone, and has there less than sws."""
    runs, curves = make_frames(methods=("random", "sws", "wave"), depths=(2, 4, 6))
    for depth, points in ((2, 95.0), (4, 60.0), (6, 40.0)):
        runs.loc[runs["depth"] == depth, "top1"] = points + (runs["method"] == "sws")
    runs.loc[(runs["method"] == "wave") & (runs["depth"] > 2), ["status", "top1"]] = ["skipped", np.nan]
    return analyse(runs, curves)


def drawn(picture, analyses):
    with theme():
        return picture.draw(analyses, looks(analyses[0].section.use))


def test_methods_of_fewer_sizes_are_not_ranked_by_their_mean(make_frames):
    analyses = easy_alone(make_frames)
    picture = drawn(accuracy_vs_stored, analyses)
    assert picture.note == "Left out: wave."
    assert set(picture.figure.axes[0].get_legend_handles_labels()[1]) == {"random", "sws"}
    assert by_accuracy(analyses[0].summary)[0] == "sws"


def test_no_diagram_of_ranks_over_few_cells(make_frames):
    few, enough = (analyse(*make_frames(depths=range(1, cells + 1))) for cells in (9, 10))
    assert drawn(critical_difference, few) is None
    assert drawn(critical_difference, enough) is not None


def test_a_curve_is_no_line_where_it_has_no_points(make_frames):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2,), epochs=10)
    wave = curves["run"].str.startswith("wave")
    curves = curves[~wave | curves["epoch"].isin([0, 1, 2, 9, 10])]
    (axis,) = drawn(learning_curves, analyse(runs, curves)).figure.axes
    lines = [line for line in axis.get_lines() if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]
    assert [list(line.get_xdata()) for line in lines] == [list(range(11)), [0, 1, 2], [9, 10]]
    dotted = [line for line in axis.get_lines() if line.get_linestyle() == ":"]
    assert list(dotted[1].get_xdata()) == [0, 1, 2, 9, 10]


def test_a_stretch_that_another_curve_knows_better_is_no_line(make_frames):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2,), epochs=20)
    wave = curves["run"].str.startswith("wave")
    curves = curves[~wave | (curves["epoch"] % 4 == 0)]  # a fifth of the run apart
    for rows, stretches in ((curves, []), (curves[curves["run"].str.startswith("wave")], [[0, 4, 8, 12, 16, 20]])):
        (axis,) = drawn(learning_curves, analyse(runs, rows)).figure.axes
        solid = [list(line.get_xdata()) for line in axis.get_lines() if line.get_linestyle() == "-"]
        assert [x for x in solid if 1 < len(x) < 21] == stretches


def test_what_methods_train_for_themselves(make_frames):
    """A panel per label that trains, a line per fit: the mean over learngenes or starts; the range is shaded."""
    runs, curves = make_frames(methods=("random", "sws", "wave"), depths=(2, 4), seeds=2)
    picture = drawn(own_training, analyse(runs, curves, make_training(runs, fits=("aux", "values"))))
    assert [axis.get_title() for axis in picture.figure.axes] == ["sws", "wave"] and picture.note == ""
    sws, wave = picture.figure.axes
    assert sws.get_legend_handles_labels()[1] == ["aux", "values"]
    assert wave.get_legend_handles_labels()[1] == ["aux", "values", "scalers (n = 4)"]
    aux, scalers = wave.get_lines()[0], wave.get_lines()[2]
    assert list(aux.get_xdata()) == [1, 2, 3] and np.allclose(aux.get_ydata(), [0.1, 0.05, 0.1 / 3])
    assert np.allclose(scalers.get_ydata(), 1.5 + np.array([0.1, 0.05, 0.1 / 3]))
    heights = wave.collections[2].get_paths()[0].vertices[:, 1]
    assert np.isclose(heights.min(), 0.1 / 3) and np.isclose(heights.max(), 3.1)


def test_no_picture_where_methods_train_nothing(make_frames):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2,))
    training = make_training(runs)
    assert drawn(own_training, analyse(runs, curves)) is None
    assert drawn(own_training, analyse(runs, curves, training.iloc[:0])) is None
    assert drawn(own_training, analyse(runs, curves, training.assign(kind="ancestor"))) is None
    assert drawn(own_training, analyse(runs, curves, training.assign(dataset="another"))) is None
    both = drawn(own_training, analyse(runs, curves, make_training(runs, fits=[f"seed {i}" for i in range(9)])))
    assert both.note == "Fits left out: 4; training.csv has all."

"""The pictures of a report: one file per picture, each `draw(analyses, looks) -> Drawn | None` for one suite."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.report.analysis.section_analysis import Analysis
    from bench.report.plots.canvas import Drawn
    from bench.report.style import Look

# module -> what the picture shows (its caption on the page)
PICTURES = {
    "accuracy_vs_size": "Test top-1 at the end against the target's size: mean and 95% interval over seeds. Crosses, "
    "where there are any: published results for the same setting, not ours.",
    "accuracy_vs_stored": "Test top-1, mean over targets, against the parameters that a method stores (head left out). "
    "Only methods that have finished all targets: others would be a mean over other sizes.",
    "accuracy_vs_cost": "Test top-1, mean over all targets, against the FLOPs (1 MAC = 2 FLOPs) of preparing, "
    "initialising and training one target size, half of them and all. Joined: no other label has more for less. "
    "Faint: a label of no more FLOPs is shown to be ahead (95%, Holm-corrected). Else it is not shown to be dominated.",
    "learning_curves": "Test top-1 during training, from step 0: mean and 95% interval (Student's t) over seeds. "
    "Markers: evaluations; dotted: none for more than an epoch and a quarter of the run, "
    "or where another curve has several.",
    "own_training": "What methods train for themselves, beside the training of targets: the loss, as a mean over each "
    "epoch, of all that is trained to make a learngene and to initialise targets. Lines: means over learngenes and "
    "targets; shaded: from the lowest to the highest. Losses of different fits are of different kinds.",
    "cost_split": "Cost of serving all target sizes, in FLOPs (1 MAC = 2 FLOPs), split into its parts; "
    "'+ ?': and what nobody here knows, such as an ancestor that came ready-made.",
    "break_even": "Total cost in FLOPs against the number of target sizes, and training each from scratch to the same "
    "accuracy; circles: where both cost the same. Shaded: what is known of the training from "
    "scratch is a bracket by two evaluations, or a lower bound.",
    "paired_differences": "Differences of test top-1 between methods at the same targets and seeds, with 95% "
    "intervals, over the sizes that both have finished, each panel on its own scale. Filled: holds at 95% (paired "
    "t-test, Holm-corrected within the family of tests that the panel names); grey: level; empty: open, or the family "
    "is partly filled.",
    "critical_difference": "Average ranks over all cells. Joined: no difference shown at 95% (Friedman's test, then "
    "Nemenyi's critical difference), from 10 cells on. Methods that serve fewer cells than others are left out.",
    "performance_profile": "Share of cells in which a method reaches at least a given test top-1: mean over seeds, "
    "with its 95% interval from 10 seeds on. Methods that serve fewer cells than others are left out.",
}


def load() -> None:
    """Import what pictures are drawn with."""
    import matplotlib.pyplot  # noqa: F401  slow, and whoever only asks which pictures there are does without

    for name in PICTURES:
        import_module(f"bench.report.plots.{name}")


def draw(name: str, analyses: list[Analysis], looks: dict[str, Look]) -> Drawn | None:
    """Return a picture, if the data allow it; `canvas.save` closes it. To be called within `canvas.theme`."""
    drawn: Drawn | None = import_module(f"bench.report.plots.{name}").draw(analyses, looks)
    return drawn

"""From one DataFrame of runs to everything a reviewer wants: tables, pictures, statistics, cost, a page.

A report is made of `runs` (a row per run, see columns.RUNS), `curves` (a row per evaluation, see columns.CURVES) and
`training` (a row per epoch of whatever was trained, see columns.TRAINING), which it writes beside everything else, so
that it can be made again from them alone:

    curves, training = read_curves(path.with_name("curves.csv")), read_training(path.with_name("training.csv"))
    write_report(read_runs(path), curves, out, title="...", training=training)

Layers, each of which imports only those before it: columns, format, style; conform, then frames; analysis; tables;
join; plots and page; drawing and folder; write; entry. Importing this package is light, for a fast start: pandas, scipy
and matplotlib are imported by what needs them.
"""

from bench.report.entry import print_table, write_report
from bench.report.frames import (
    ReportError,
    read_curves,
    read_runs,
    read_training,
    write_curves,
    write_runs,
    write_training,
)

__all__ = [
    "ReportError",
    "print_table",
    "read_curves",
    "read_runs",
    "read_training",
    "write_curves",
    "write_report",
    "write_runs",
    "write_training",
]

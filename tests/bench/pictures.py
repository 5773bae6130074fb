"""The two pictures that reports draw in tests of other things. That all are drawn is tested in report/ and suites/."""

from bench.report.plots import every

FEW = {name: every.PICTURES[name] for name in ("accuracy_vs_size", "own_training")}

"""Every LaTeX table of a report goes through LaTeX, whatever its labels are."""

import shutil
import subprocess
from contextlib import nullcontext

import pytest

from bench.report import write_report
from tests.bench.report.page.test_page import EVIL

LABELS = ("random", r"a_b%c&d#e$f^g~h{i}\j", "größe → 5×±∞ “x” é", '[wide]--`quoted\' "<|>"', "wave " + EVIL)
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""


@needs_latex
def test_every_table_compiles_and_fits(make_frames, tmp_path, monkeypatch):
    monkeypatch.setattr("bench.report.write.begun", lambda *_: nullcontext(list))
    runs, curves = make_frames(depths=(2, 4, 6, 8, 10, 12))
    runs["method"] = runs["method"].map(dict(zip(runs["method"].unique(), LABELS, strict=True)))
    runs["suite"], runs["tune"] = "a_suite & more", "x"
    runs.loc[3, ["status", "error"]] = ["failed", r"\undefined{ 100% of #1 _"]
    paths = write_report(runs, curves, tmp_path, title="t")
    tables = [path.name for path in paths if path.suffix == ".tex"]
    assert len(tables) >= 8
    (tmp_path / "paper.tex").write_text(DOCUMENT % "\n".join(rf"\input{{{name}}}\clearpage" for name in tables))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=1800)
    assert done.returncode == 0, done.stdout[-2000:]
    said = (tmp_path / "paper.log").read_text(errors="replace")
    assert [line for line in said.splitlines() if "Overfull \\hbox" in line or "Missing character" in line] == []

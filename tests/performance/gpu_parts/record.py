"""gpu.csv and gpu.md: what was measured, on what, and what was cut."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.files import write_bytes
from tests.performance.gpu_parts.rows import FAILED, Row

CUT = "not measured to the end: "
HEAD = """# On a GPU

`python -m tests.performance.gpu`. timm's loop: what its train_one_epoch does with a batch that is on the device
already, without its looks at the loss, which wait; with AdamW as its train.py makes it of `--opt adamw` (`foreach`).
The stricter comparison gives it fused AdamW, as ours has. timm's own train.py, where `--train-py` gave one, is a part
of its own, on such batches too; on the CPU, with its loader, it is in `tests/performance/against_timm.py`.

Packing: every worker does as many runs, packed or alone; but a process that has worked for some seconds is replaced, so
that packed runs, which take longer, may pay for more starts of CUDA: see their processes. By training alone: without
what comes before a run's first evaluation, by the mean of all. Suite: five methods and three seeds of
`digits_variable_depth.yaml`, at the middle one of its depths. Stacked: models of several seeds as one, by vmap.
"""


@dataclass
class Record:
    """where: the machine and the code. troubles: why a part is not complete; left: its cases that are missing.
    earlier: what earlier calls measured, by where; a case's rows until it is measured again."""

    out: Path
    where: str
    troubles: dict[str, str]
    left: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    earlier: dict[str, list[Row]] = field(default_factory=dict)

    def read(self, parts: Iterable[str]) -> None:
        """Keep what was measured, and of other parts than these also what is missing."""
        path, parts = self.out / "gpu.csv", set(parts)
        if path.is_file():
            with path.open(newline="") as file:
                for where, part, case, what, value, target in list(csv.reader(file))[1:]:
                    if part not in parts or not what.startswith((CUT, FAILED)):
                        self.earlier.setdefault(where, []).append(Row(part, case, what, float(value), target))

    def failed(self, part: str) -> str:
        return ", ".join(f"{row.case} failed" for row in self.rows if row.part == part and row.what.startswith(FAILED))

    def tables(self) -> dict[str, list[Row]]:
        """The rows by where they were measured; of what is missing there is a row each."""
        anew = {row[:2] for row in self.rows if not row.what.startswith(FAILED)}
        earlier = {where: [row for row in rows if row[:2] not in anew] for where, rows in self.earlier.items()}
        known = {row[:2] for rows in earlier.values() for row in rows}
        cut = [
            Row(part, case, CUT + why.replace("|", "/"), math.nan)
            for part, why in self.troubles.items()
            if why
            for case in self.left.get(part) or ([""] if why != self.failed(part) else [])
            if (part, case) not in known
        ]
        tables = earlier | {self.where: [*earlier.get(self.where, []), *self.rows, *cut]}
        return {where: rows for where, rows in tables.items() if rows}

    def write(self) -> None:
        """Where nothing was measured, nothing is written."""
        if not self.rows:
            return
        text, tables = io.StringIO(), self.tables()
        lines = [(where, *row) for where, rows in tables.items() for row in rows]
        csv.writer(text, lineterminator="\n").writerows([("where", *Row._fields), *lines])
        write_bytes(self.out / "gpu.csv", text.getvalue().encode())
        write_bytes(self.out / "gpu.md", self.page(tables).encode())

    def page(self, tables: dict[str, list[Row]]) -> str:
        lines = [HEAD]
        for where, rows in tables.items():
            lines += [f"{where}:", "", "| part | case | what | measured | target |", "| :-- | :-- | :-- | --: | :-- |"]
            lines += [f"| {r.part} | {r.case} | {r.what} | {r.value:.4g} | {r.target} |" for r in rows] + [""]
        for part, why in self.troubles.items():
            if why:
                missing = ", ".join(self.left.get(part, ()))
                lines.append(f"{part} is not complete: {why}{f'; missing: {missing}' if missing else ''}\n")
        rows = [row for rows in tables.values() for row in rows]
        again = dict.fromkeys(row.part for row in rows if row.what.startswith((CUT, FAILED)))
        if again:
            lines.append(f"What is missing: `python -m tests.performance.gpu --parts {' '.join(again)}` with the same")
            lines.append("`--out`, which has ten minutes again, and keeps the rows of other parts.\n")
        return "\n".join(lines)

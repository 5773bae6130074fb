"""What methods cost: parts, storage, break-even, cost to reach what random reaches."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.report.analysis.cost import PARTS
from bench.report.analysis.reach import reference, scratch_labels
from bench.report.analysis.sections import Section
from bench.report.format import UNKNOWN, hours, number, one_line, si, si_sum
from bench.report.tables.model import Cell, Table, only, quoted
from bench.words import listed

if TYPE_CHECKING:
    from pandas import DataFrame


TEACHER = [
    "needs its teacher: runs are distilled from one, so that a new size needs it too; it is not counted in what is "
    "stored, and the results do not say how large it is"
]


def _row(section: Section, method: str, *items: str | tuple[str, float]) -> list[Cell]:
    """A row of a method, all of its runs. Cells from texts, or from texts with the number that they are sorted by."""
    pairs = (item if isinstance(item, tuple) else (item, None) for item in items)
    runs = quoted(section.suite, method, section.dataset)
    return [Cell(one_line(method), runs=runs), *(Cell(one_line(text), value=value, runs=runs) for text, value in pairs)]


def _si(value: float, unit: str = "") -> tuple[str, float]:
    return si(value, unit), value


def _total(row: dict, unit: str, without: str = "") -> tuple[str, float]:
    """A total of a row of totals, less one part: what is known of it, and "+ ?" for the rest."""
    values = [row[f"{unit}_{part}"] for part in PARTS if part != without]
    return si_sum(values), sum(v for v in values if not math.isnan(v))


def parts(section: Section, totals: DataFrame) -> Table:
    """Return parts of the cost of all sizes in FLOPs, then the totals in the other units."""
    energy = not totals.empty and totals["energy_joules_total"].notna().any()
    tuned = not totals.empty and totals["tunings"].any()
    shown = [part for part in PARTS if part != "tuning" or tuned]
    left_out = ["ancestor", *(["tuning"] if tuned else [])]
    header = ["method", "sizes", "n", *shown, "total", *(f"without {part}" for part in left_out)]
    header += ["images", "device time", "time without ancestor", *(["energy"] if energy else [])]
    rows = []
    for total in totals.to_dict("records"):
        flops = [_si(total[f"flops_{part}"]) for part in shown]
        sums = [_total(total, "flops"), *(_total(total, "flops", part) for part in left_out)]
        times = [total["device_hours_total"], total["device_hours_total_without_ancestor"]]
        other = [_total(total, "images"), *((hours(time), time) for time in times)]
        other += [_si(total["energy_joules_total"], "J")] if energy else []
        rows.append(_row(section, total["method"], str(total["targets"]), str(total["n"]), *flops, *sums, *other))
    caption = (
        "Cost of serving all sizes once, mean over n seeds: what is shared (ancestor, learngene, tuning runs) once per "
        "identity, initialisation and training for every size. Parts and totals in FLOPs (1 MAC = 2 FLOPs); '?' for "
        "what nobody here knows, such as an ancestor that came ready-made. Device time: wall time x devices / workers "
        "that shared the device, energy likewise; on the CPU, core time. Evaluation is not counted."
    )
    return Table(f"{section.title}: cost", header, rows, caption)


def targets(section: Section) -> Table:
    """Return the table of what is initialised."""
    header = ["target", "depth", "width", "heads", "parameters", "MACs"]
    rows = []
    for name, size in section.sizes.iterrows():
        words = [str(size[key]) for key in ("depth", "embed_dim", "num_heads")]
        runs = quoted(section.suite, str(name), section.dataset)
        numbers = [float(size[key]) if size[key] == size[key] else math.nan for key in ("params", "macs")]
        texts = (Cell(one_line(text), runs=runs) for text in (str(name), *words))
        rows.append([*texts, *(Cell(si(n), value=n, runs=runs) for n in numbers)])
    caption = "Parameters with the head; MACs of one forward pass of one image (a FLOP count is twice that)."
    return Table(f"{section.title}: target sizes", header, rows, caption)


def storage(section: Section, totals: DataFrame) -> Table:
    header = [
        "method",
        "learngenes",
        "stored",
        "of which head",
        "bytes",
        "one model per size",
        "bytes of these",
        "ratio",
    ]
    rows = []
    for total in totals.to_dict("records"):
        stored, head = total["stored_params"], total["stored_params_head"]
        ratio = "stores nothing" if stored + head == 0 else f"{number(total['storage_ratio'])}x"
        ratio += ", needs its teacher" if total["method"] in section.distilled else ""
        rows.append(
            _row(
                section,
                total["method"],
                str(total["learngenes"] if stored + head else 0),
                _si(stored + head),
                _si(head),
                _si(total["stored_bytes"], "B"),
                _si(total["models_params"]),
                _si(total["models_bytes"], "B"),
                ratio,
            )
        )
    caption = "Parameters that are stored to serve all sizes, heads included, against one trained fp32 model per size."
    return Table(f"{section.title}: storage", header, rows, caption, TEACHER if section.distilled else [])


def break_even(section: Section, frame: DataFrame) -> Table:
    """Return the table of break-even in FLOPs."""
    flops = frame[frame["unit"] == "flops"] if len(frame) else frame
    tuned = len(flops) and flops["scratch_fixed"].ne(0).any()
    header = ["method", "fixed", "per size", *(["from scratch fixed"] if tuned else []), "from scratch per size"]
    header += ["with ancestor", "without ancestor"]
    rows = []
    done, scratch_runs = section.done, scratch_labels(section)
    for method in flops["method"].drop_duplicates() if len(flops) else []:
        both = flops[flops["method"] == method].set_index("ancestor")
        whole = both.loc["with"]
        scratch = si(whole["scratch_per_size"])
        scratch = f"> {scratch}" if whole["scratch_is_bound"] and scratch != UNKNOWN else scratch
        verdicts = both.loc[["with", "without"], "verdict"]
        crossings = both.loc[["with", "without"], "break_even"]
        verdicts = list(zip(verdicts, crossings, strict=True))
        less = both.loc["without"]
        costs = [
            _si(whole[part]) if whole[part] == whole[part] else (si_sum([less[part], math.nan]), less[part])
            for part in ("fixed", "per_size")
        ]
        fixed = [_si(whole["scratch_fixed"])] if tuned else []
        row = _row(section, method, *costs, *fixed, scratch, *verdicts)
        sizes = only(done.loc[done["method"] == method, "target"].unique().tolist(), section.targets)
        against = quoted(section.suite, scratch_runs, section.dataset, *sizes)
        both = quoted(section.suite, [method, *scratch_runs], section.dataset, *sizes)
        of_scratch, of_both = row[3 : 4 + len(fixed)], row[4 + len(fixed) :]
        of_scratch = [replace(cell, runs=against) for cell in of_scratch]
        rows.append([*row[:3], *of_scratch, *(replace(cell, runs=both) for cell in of_both)])
    caption = (
        "From how many sizes on a method is cheaper than training each from scratch to the same accuracy, in FLOPs. "
        "fixed = ancestor, teacher, learngene and tuning runs where one serves all sizes, else they count per size, on "
        "both sides. From scratch: what random initialisation needs to reach the method's accuracy, along "
        "its learning curves, mean over sizes (a run that was planned to end there might need less), by a line "
        "between two evaluations; the bracket is what these two alone would give. '>' where no run of it does: then "
        "its whole training is counted, a lower bound, and what follows from it is 'at most' or cannot be told."
    )
    return Table(f"{section.title}: break-even", header, rows, caption)


def reach(section: Section, frame: DataFrame) -> Table:
    """Return the table of the cost to reach a random start's accuracy: a column per size."""
    header = ["method", "times", *section.targets]
    rows = []
    for (factor, method), group in frame.groupby(["factor", "method"], sort=False) if len(frame) else []:
        cells = {cell["target"]: cell for cell in group.to_dict("records")}
        costs = [_reached(section, method, t, cells) for t in section.targets]
        rows.append((factor, section.methods.index(method), [*_row(section, method, f"{factor:g}"), *costs]))
    rows.sort(key=lambda row: row[:2])
    who = listed([label for block in section.by_block() if (label := reference(block))]) or "random"
    caption = (
        f"Training that it takes to reach the accuracy that {who} (random initialisation) reaches at its end, and "
        f"multiples of it (times): epochs, FLOPs, device time, and how many times fewer FLOPs than {who} takes. Upper "
        f"medians over seeds, to where the line between two evaluations reaches what {who} reached with the same seed; "
        "in brackets how many runs "
        "reach it, where not all do; empty where a multiple is above 100%. Initialisation and preparation are not in "
        "it: see reach.csv."
    )
    title = f"{section.title}: cost to reach {who}'s accuracy"
    return Table(title, header, [row[2] for row in rows], caption, fixed=2)


def _reached(section: Section, method: str, target: str, cells: dict[str, dict]) -> Cell:
    if target not in cells:
        return Cell("")
    cell = cells[target]
    runs = quoted(section.suite, method, section.dataset, target)
    return Cell(_cost_of(cell), value=cell["flops"], runs=runs)


def _cost_of(cell: dict) -> str:
    counts = "" if cell["reached"] == cell["n"] else f" ({cell['reached']}/{cell['n']})"
    if math.isinf(cell["epochs"]):
        return f"never{counts}"
    if cell["epochs"] == 0:
        return f"at the start{counts}"
    time = f", {hours(cell['device_hours'])}" if math.isfinite(cell["device_hours"]) else ""
    speedup = f", {cell['speedup']:.1f}x" if math.isfinite(cell["speedup"]) else ""
    digits = ".2g" if cell["epochs"] < 10 else ".0f"
    return f"{cell['epochs']:{digits}} ep, {si(cell['flops'])}{time}{speedup}{counts}"

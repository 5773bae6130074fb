"""What is going on: a live table on a terminal, one plain line per interval elsewhere."""

import sys
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Protocol

from bench.errors import printable
from bench.jobs.model import Job
from bench.launch.schedule import SHOWN, Schedule
from bench.plan import Plan, each_kind
from bench.worker.outcome import Outcome

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

REDRAW = 0.5  # seconds between two looks of the live table
LINE_EVERY = 30.0  # seconds between two plain lines
ALWAYS = ("pending", "running", "done")


class Display(Protocol):
    """What shows how a launcher gets on."""

    def say(self, text: str) -> None: ...

    def show(self) -> None: ...

    def finished(self, job: Job, outcome: Outcome) -> None: ...


class Progress:
    """Shows a schedule while it is worked off. Use as a context."""

    def __init__(self, plan: Plan, schedule: Schedule, *, live: bool | None = None) -> None:
        self.plan, self.schedule = plan, schedule
        self.began, self.last = time.monotonic(), 0.0
        self.live: Live | None = None
        self.wants_live = sys.stdout.isatty() if live is None else live
        # what trains nothing tells no speed of the rest
        self.units = {id: e.units for id, e in schedule.entries.items() if e.trains}
        self.units = self.units or dict.fromkeys(schedule.entries, 1.0)
        self.before = self.units_done()
        self.rows: dict[str, set[str]] = defaultdict(set)  # what is shared, then the runs of each method
        for kind, jobs in each_kind(plan):
            if kind != "run" and jobs:
                self.rows[f"({kind}s)"] = {job.id for job in jobs}
        for cell in plan.cells:
            if not cell.skipped:
                self.rows[cell.method.label].add(cell.run)

    def __enter__(self) -> "Progress":
        if self.wants_live and self.schedule.open:
            from rich.live import Live

            self.live = Live(self.table(), refresh_per_second=4, transient=True)
            self.live.start()
        self.last = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None

    def close(self) -> None:
        """The last line."""
        print(self.line().rpartition(";")[0], flush=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        text = printable(text)
        if self.live is not None:
            self.live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)

    def finished(self, job: Job, outcome: Outcome) -> None:
        if outcome.state == "failed":
            self.say(f"failed: {job.kind} {job.id}: {outcome.message} ({self.schedule.store.job(job).log})")

    def show(self) -> None:
        """Redraw, or print the line that is due."""
        now = time.monotonic()
        if now - self.last < (REDRAW if self.live is not None else LINE_EVERY):
            return
        self.last = now
        if self.live is not None:
            self.live.update(self.table())
        else:
            self.say(self.line())

    def line(self) -> str:
        counts = self.schedule.counts
        parts = [f"{counts[s]} {s}" for s in SHOWN if counts[s]]
        return f"[{_duration(time.monotonic() - self.began)}] {', '.join(parts)}; {self.time_left()}"

    def table(self) -> "Group":
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(title=f"{self.plan.suite.name}: {self.line()}", title_justify="left", expand=False)
        table.add_column("runs of")
        shown = [s for s in SHOWN if s in ALWAYS or self.schedule.counts[s]]
        for state in shown:
            table.add_column(state, justify="right")
        for label, ids in self.rows.items():
            counts = Counter(self.schedule.entries[id].state for id in ids)
            table.add_row(Text(label), *(str(counts[s] or "") for s in shown))
        running = [e.job for e in self.schedule.entries.values() if e.state == "running"]
        return Group(table, *(Text(f"  {job.kind} {job.id}  {self.step(job)}", no_wrap=True) for job in running[:8]))

    def step(self, job: Job) -> str:
        note = self.note(job)
        return f"{note['fit']}: step {note['step']} of {note['total']}" if "total" in note else ""

    def note(self, job: Job) -> dict:
        return self.schedule.store.job(job).lock().holder() or {}

    def units_done(self) -> float:
        """The estimated training that is done, partly done jobs included; where nothing trains, the number of jobs."""
        done = 0.0
        for id, units in self.units.items():
            entry = self.schedule.entries[id]
            if entry.state == "done":
                done += units
            elif entry.state == "running" and (note := self.note(entry.job)).get("total"):
                done += units * note["step"] / note["total"]
        return done

    def time_left(self) -> str:
        """From the estimated training that is done here and what is to do; what failed or is skipped is neither."""
        entries = self.schedule.entries
        if not any(entries[id].open for id in self.units):
            return "only jobs without training left" if self.schedule.open else "none left"
        elapsed, done = time.monotonic() - self.began, self.units_done()
        total = sum(units for id, units in self.units.items() if entries[id].open or entries[id].state == "done")
        if (gained := done - self.before) <= 0 or elapsed < 2:
            return "time left unknown"
        return f"about {_duration(elapsed * (total - done) / gained)} left"


def _duration(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"

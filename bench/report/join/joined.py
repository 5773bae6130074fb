"""Joins results: `join` makes one frame of several, in which every row says where it is from.

Seeds pair within a block: rows of one kind of device, or of several kinds that are seen to have made the same numbers.
Between blocks nothing is paired (see analysis.across); between settings, which only `across` lets in, nothing at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.report.columns import CURVES, RUNS, TRAINING
from bench.report.conform import conform_curves, conform_runs, conform_training
from bench.report.join.alike import differences, sizes
from bench.report.join.labels import JoinedLabel, unite
from bench.report.join.part import Part, by_suite

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Joined:
    """notes: what was found the same, kept apart, or joined in spite of differences."""

    runs: DataFrame
    curves: DataFrame
    training: DataFrame
    notes: list[str]


def join(parts: list[Part], *, across: bool = False) -> Joined:
    """Return all parts in one: suites of one name, or of all sources where each has one, become one suite.

    Raises UsageError for results of another engine, data set or recipe, unless `across`: then these are shown beside
    each other, as another `setting`. Targets of one name and several sizes are refused in any case.
    """
    import pandas as pd

    groups = by_suite(parts)
    if all(len(members) == 1 for members in groups.values()):
        suites = "; ".join(f"{', '.join(part.suites)} in {part.source}" for part in parts)
        raise UsageError(f"joining: expected a suite of the same name in several, or one suite in each, found {suites}")
    frames = [_join(suite, members, across) for suite, members in groups.items()]
    return Joined(
        conform_runs(pd.concat([frame.runs for frame in frames], ignore_index=True)),
        conform_curves(pd.concat([frame.curves for frame in frames], ignore_index=True)),
        conform_training(pd.concat([frame.training for frame in frames], ignore_index=True)),
        [note for frame in frames for note in frame.notes],
    )


def _join(suite: str, parts: list[Part], across: bool) -> Joined:
    import pandas as pd

    settings, notes = _settings(suite, parts, across)
    entries, more = unite(settings)
    blocks = _blocks(parts, entries, settings)
    seen: set[str] = set()
    frames, curves = [], []
    for entry in entries:
        rows = entry.rows.assign(suite=suite, method=entry.name, block=blocks[entry.part])
        rows["setting"] = settings[entry.part] if len(set(settings.values())) > 1 else None
        again = rows["run"].isin(seen)
        names = rows["run"].where(~again, rows["run"] + f"@{entry.part.source}")
        curves += [_curves(part, rows, names) for part in entry.parts]
        seen |= set(rows["run"])
        frames.append(rows.assign(run=names))
    runs = pd.concat(frames, ignore_index=True)
    runs["families"] = _families(parts, entries, blocks)
    training: list[DataFrame] = []
    for part in parts:
        training.append(_training(suite, part, entries, training))
    columns = [[c.name for c in schema] for schema in (RUNS, CURVES, TRAINING)]
    every = (runs, pd.concat(curves, ignore_index=True), pd.concat(training, ignore_index=True))
    first, second, third = (frame[names] for frame, names in zip(every, columns, strict=True))
    return Joined(first, second, third, [*notes, *more])


def _settings(suite: str, parts: list[Part], across: bool) -> tuple[dict[Part, int], list[str]]:
    """The setting of each part, counted from 1, and in words how they differ."""
    if wrong := sizes(parts):
        raise UsageError(f"joining {suite}: {'; '.join(wrong)}; expected one size for each name")
    settings: dict[Part, int] = {}
    problems: list[str] = []
    for part in parts:
        words_by_part = {other: differences(other, part) for other in settings}
        same = next((settings[other] for other, words in words_by_part.items() if not words), None)
        settings[part] = same or len(set(settings.values())) + 1
        if same is None:
            problems += next(iter(words_by_part.values()), [])
    if problems and not across:
        raise UsageError(
            "\n".join(f"joining {suite}: {problem}" for problem in problems)
            + "\nexpected results of one engine, data set and recipe; --across shows others beside each other, and "
            "compares nothing between them"
        )
    return settings, [f"joined across: {problem}" for problem in problems]


def _blocks(parts: list[Part], entries: list[JoinedLabel], settings: dict[Part, int]) -> dict[Part, str]:
    """The block of each part: those of one setting and kind of device, or with a label of equal numbers."""
    joined = {part: {part} for part in parts}
    links = [(a, b) for a in parts for b in parts if a.kind == b.kind]
    links += [(entry.part, part) for entry in entries for part in entry.parts]
    for a, b in links:
        if settings[a] == settings[b] and joined[a] is not joined[b]:
            both = joined[a] | joined[b]
            joined |= dict.fromkeys(both, both)
    several = len(set(settings.values())) > 1
    kinds = {part: " = ".join(dict.fromkeys(p.kind for p in parts if p in joined[part])) for part in parts}
    return {part: f"{kind}, setting {settings[part]}" if several else kind for part, kind in kinds.items()}


def _families(parts: list[Part], entries: list[JoinedLabel], blocks: dict[Part, str]) -> str:
    """What the parts declare, under the new labels; and all methods of a block that has several parts. Empty where
    nobody declares any: the default ones are by block, too."""
    declared = {part: json.loads(text) for part in parts if (text := next(iter(part.runs["families"]), ""))}
    if not declared:
        return ""
    families: dict[str, Any] = {}
    for part, named in declared.items():
        names = {entry.parts[part]: entry.name for entry in entries if part in entry.parts}
        for name, family in named.items():
            new = {
                key: [names.get(label, label) for label in family[key]] for key in ("among", "labels") if key in family
            }
            new |= {"against": names.get(family["against"], family["against"])} if "against" in family else {}
            families[name if len(declared) == 1 else f"{name}@{part.source}"] = family | new | {"uneven": True}
    for block in dict.fromkeys(blocks.values()):
        among = [e.name for e in entries if blocks[e.part] == block and not (e.rows["control"] != "").any()]
        if len([part for part in parts if blocks[part] == block]) > 1 and len(among) > 1:
            families[f"joined on {block}"] = {"among": among, "uneven": True}
    return json.dumps(families, sort_keys=True, separators=(",", ":"))


def _curves(part: Part, rows: DataFrame, names: Any) -> DataFrame:
    """The curves of the rows that are a part's, under their new names."""
    mine = rows["source"].str.removesuffix(" (own)") == part.source
    new = dict(zip(rows.loc[mine, "run"], names[mine], strict=True))
    curves = part.curves[part.curves["run"].isin(new)]
    return curves.assign(run=curves["run"].map(new))


def _training(suite: str, part: Part, entries: list[JoinedLabel], before: list[DataFrame]) -> DataFrame:
    """Epochs of what a part trained, under the new labels; of a run `used_by` is its name, which stays. A job that an
    earlier part has trained for other labels has the name of its source, too."""
    names = {entry.parts[part]: entry.name for entry in entries if part in entry.parts}
    used = [" ".join(names.get(word, word) for word in words.split()) for words in part.training["used_by"]]
    rows = part.training.assign(suite=suite, used_by=used)
    users = {job: by for frame in before for job, by in zip(frame["job"], frame["used_by"], strict=True)}
    jobs = [
        job if users.get(job, by) == by else f"{job}@{part.source}" for job, by in zip(rows["job"], used, strict=True)
    ]
    return rows.assign(job=jobs)

"""Results of earlier versions, whose identities did not contain the images: what they are of, and how to go on with
them where a user vouches for the images."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bench.errors import UsageError
from bench.identity import digest
from bench.jobs.model import KINDS, Job
from bench.plan import Plan
from bench.store import JobDir, Store


def earlier(plan: Plan) -> dict[str, str]:
    """Job -> the identity that it had before identities contained the images; of jobs on which that bears."""
    before: dict[str, str] = {}
    for job in plan.jobs.values():  # what is needed comes first
        if "content" not in job.settings["data"] and not any(need in before for need in job.needs):
            continue
        settings = renamed(job.settings, before)
        settings["data"] = {name: value for name, value in settings["data"].items() if name != "content"}
        id = f"{job.id.rpartition('-')[0]}-{digest(settings)}"
        if id != job.id:
            before[job.id] = id
    return before


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same JSON value, in which identities have other names."""
    if isinstance(value, dict):
        return {key: renamed(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def left(plan: Plan, store: Store) -> dict[str, str]:
    """Those of `earlier` that are to do, and were done under the earlier identity."""
    folders = {kind: store.ids(kind) for kind in KINDS}
    if all(ids <= plan.jobs.keys() for ids in folders.values()):
        return {}  # a look at each of many jobs takes its time
    return {
        id: old
        for id, old in earlier(plan).items()
        if old in folders[plan.jobs[id].kind]
        and not store.job(plan.jobs[id]).done()
        and store.job_dir(plan.jobs[id].kind, old).done()
    }


def images_of(plan: Plan) -> dict[str, set[str]]:
    """Job -> names of the data sets that it, or what it needs, has seen, but for those that come with a library."""
    names: dict[str, set[str]] = {}
    for job in plan.jobs.values():
        data_names = {job.settings["data"]["name"]} if "content" in job.settings["data"] else set()
        names[job.id] = data_names.union(*(names[need] for need in job.needs))
    return names


def note(plan: Plan, store: Store) -> str:
    """What to say of results that are not taken, if there are any."""
    jobs = left(plan, store)
    if not jobs:
        return ""
    images = images_of(plan)
    names = sorted(set().union(*(images[id] for id in jobs)))
    words = " ".join(f"--vouch-for-data {name}" for name in names)
    return (
        f"note: {len(jobs)} of these jobs were done by an earlier version, whose identities did not contain the images "
        f"of {', '.join(names)}; they are not taken for these. If the images are the same: bench run {words}"
    )


def vouch(plan: Plan, store: Store, names: Collection[str]) -> int:
    """Copy what earlier versions did on the data sets `names` to the identities of now; returns the number of jobs.

    Results that were copied say so (`vouched`). Raises UsageError for a name that the plan does not have.
    """
    images = images_of(plan)
    known = set().union(*images.values())
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known)) or "none whose images are part of identities"
            raise UsageError(f"--vouch-for-data {name}: no such data set in this suite (there: {there})")
    jobs = {id: old for id, old in left(plan, store).items() if images[id] <= set(names)}
    before = earlier(plan)
    for id, old in jobs.items():
        copy(store.job_dir(plan.jobs[id].kind, old), store.job(plan.jobs[id]), plan.jobs[id], old, before)
    return len(jobs)


def copy(source: JobDir, target: JobDir, job: Job, old: str, before: Mapping[str, str]) -> None:
    """Copy a done job under another identity; its result comes last. A damaged one stays where it is."""
    result = source.result() if source.damage() is None else None
    lock = target.lock()
    if result is None or not lock.acquire():
        return
    try:
        now = {before_id: id for id, before_id in before.items()}
        source.copy_artifacts(target)
        target.write_settings({"kind": job.kind, "id": job.id, "settings": job.settings, "local": job.local})
        target.clear_failure()
        target.write_described(renamed(result, now) | {"id": job.id, "vouched": old})
    finally:
        lock.release()


def fingerprint_of(job: Job, *results: Mapping[str, Any]) -> str:
    """The column `fingerprint` of a run's row: what its identity sees of the images; empty where a library brings
    them along."""
    if any("vouched" in result for result in results):
        return "vouched"
    content = job.settings["data"].get("content")
    return content["form"] if content else "" if job.local["data"]["source"] == "builtin" else "counts"

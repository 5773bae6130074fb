"""Runs that were done without their weights, where the suite wishes for them now."""

from bench.jobs.run import RunJob
from bench.plan import Plan
from bench.store import Store


def note(plan: Plan, store: Store) -> str:
    """What to say of them, if there are any: `keep_weights` is no part of identities, so they are not done again."""
    if plan.suite.file.keep_weights == "none":
        return ""
    bare, cleaned = [], 0
    for id in dict.fromkeys(cell.run for cell in plan.cells if not cell.skipped):
        run, folder = plan.description(id), store.job(plan.jobs[id])
        assert isinstance(run, RunJob)
        result = (folder.result() or {}) if folder.done() else {}
        missing = set(run.kept_files) - set(result.get("artifacts", {})) if result else set()
        if missing and missing <= set(result.get("cleaned", {})):
            cleaned += 1
        elif missing:
            bare.append(folder)
    if cleaned and not bare:
        return f"note: keep_weights: bench clean removed the weights of {cleaned} of these runs, which stay done"
    if not bare:
        return ""
    return (
        f"note: keep_weights: {len(bare)} of these runs were done without it, kept no weights, and are not done again "
        f"for that; to have them, remove the folders of these runs, such as {bare[0].path}, and run the suite again"
    )

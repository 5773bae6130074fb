"""Whether what a results folder holds of done jobs is whole: checksums of results and artifacts, identities."""

from collections.abc import Iterator

from bench.identity import digest
from bench.jobs.model import KINDS
from bench.store import JobDir, Store


def done_jobs(store: Store) -> Iterator[tuple[str, str, JobDir]]:
    """Yield kind, identity and folder of every job that has a result, whole or not; what was set aside is none."""
    for kind in KINDS:
        for id in sorted(id for id in store.ids(kind) if ".damaged-" not in id):
            folder = store.job_dir(kind, id)
            if folder.contents().result:
                yield kind, id, folder


def problem(kind: str, id: str, folder: JobDir) -> str:
    """Return what is wrong with a done job, all of its files hashed; empty where nothing is. One that may not be read
    is no reason to look at no other."""
    try:
        trouble = folder.damage(thorough=True)
        if trouble is not None:
            return trouble
        planned = folder.settings()
    except OSError as error:
        return f"{error.filename or folder.path}: {error.strerror}"
    except ValueError as error:
        return str(error)
    if (planned["kind"], planned["id"]) != (kind, id):
        return f"{folder.path}: its settings are of {planned['kind']} {planned['id']}"
    if id != f"{id.rpartition('-')[0]}-{digest(planned['settings'])}":
        return f"{folder.path}: its settings are not those that its identity is the hash of"
    return ""

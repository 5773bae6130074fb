"""The code as it was at submission, so that a queued job does not run what was edited since."""

import hashlib
import json
import os
import secrets
import shutil
import sys
from pathlib import Path

import bench
import methods
from bench import files, provenance
from bench.files import make_private
from bench.plan import Plan
from bench.store import Store
from bench.suite.outside import file_of, top_level

SKIPPED = ("__pycache__", ".git")


def snapshot(plan: Plan, store: Store) -> tuple[Path, str]:
    """Copy `bench`, `methods` and what the suite takes from outside to `<results>/code/<content hash>`, once.

    Returns the folder and the digest of all that is in it. One that holds anything else than that code is not used.
    """
    sources = code_files(plan)
    digest = hashlib.sha256()
    for name, path in sorted(sources.items()):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    digest.update(str(provenance.code()["git_sha"]).encode())
    folder = (store.root / "code" / digest.hexdigest()[:16]).absolute()
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    make_private(temporary)
    for name, path in sources.items():
        (temporary / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, temporary / name)
    (temporary / provenance.SNAPSHOT).write_text(json.dumps(provenance.code()))
    if diff := provenance.diff():
        (temporary / "dirty.diff").write_text(diff)
    for path in temporary.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    temporary.chmod(0o755)
    whole = listing_digest(temporary)

    def usable(place: Path) -> bool:
        return not os.path.lexists(place) or (files.is_private(place) and listing_digest(place) == whole)

    places = folder, folder.with_name(f"{folder.name}-{os.geteuid()}")  # the first may be another user's
    folder = next(filter(usable, places), files.unused(folder, "anew"))
    try:
        os.rename(temporary, folder)
    except OSError:  # another submitter was first
        shutil.rmtree(temporary)
        if not folder.is_dir():
            raise
    return folder, whole


def listing_digest(folder: Path) -> str:
    """Digest of what `sha256sum` says of each file in a folder, by name; scripts compute it in the same way. Empty
    where there are links, which may lead to something else later."""
    paths = list(folder.rglob("*"))
    if any(path.is_symlink() for path in paths):
        return ""
    names = sorted(os.fsencode(path.relative_to(folder)) for path in paths if path.is_file())
    lines = [f"{files.sha256(folder / os.fsdecode(name))}  ./".encode() + name + b"\n" for name in names]
    return hashlib.sha256(b"".join(lines)).hexdigest()


def code_files(plan: Plan) -> dict[str, Path]:
    """Name in the snapshot -> file."""
    roots = [Path(bench.__file__).parent, Path(methods.__file__).parent]
    for module in outside(plan):
        file = Path(module)
        roots.append(file.parent if file.name == "__init__.py" else file)
    sources: dict[str, Path] = {}
    for root in roots:
        paths = [root] if root.is_file() else [p for p in root.rglob("*") if p.is_file()]
        sources |= {str(p.relative_to(root.parent)): p for p in paths if not set(SKIPPED) & set(p.parts)}
    return declared(plan) | sources


def declared(plan: Plan) -> dict[str, Path]:
    """Name in the snapshot -> file, of what methods from outside declare: as far from their modules as it was."""
    sources: dict[str, Path] = {}
    for method in plan.suite.methods:
        module = type(method.initializer).__module__
        module_file = file_of(module, {top_level(module)})
        if method.code and module_file:
            above = Path(*module.split(".")[:-1])
            sources |= {str(above / name): module_file.parent / name for name in method.code.files}
    return sources


def folders_beside(plan: Plan) -> list[str]:
    """Return the folders that methods from outside may import more from."""
    files = [Path(file).resolve() for file in outside(plan)]
    return sorted({str(file.parents[file.name == "__init__.py"]) for file in files})


def outside(plan: Plan) -> list[str]:
    """Files of the modules that the suite takes methods from, and that are none of this project's."""
    names = {method.use.partition(":")[0].partition(".")[0] for method in plan.suite.methods if ":" in method.use}
    files = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(names - {"methods", "bench"})]
    return [file for file in files if file]

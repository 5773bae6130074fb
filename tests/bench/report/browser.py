"""Chromium without a driver: load a page, let a script inside it act and look, read the document back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
FLAGS += ["--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom"]

RECORD = """<script>
window.problems = [];
window.addEventListener("error", (e) => window.problems.push(String(e.message)), true);
window.addEventListener("unhandledrejection", (e) => window.problems.push(String(e.reason)));
</script>"""

FRAME = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><pre id="verdict"></pre>
<script>window.addEventListener("message", (e) => document.querySelector("#verdict").textContent = e.data);</script>
<iframe src="copy.html" style="border: 0; width: {width}px; height: 900px"></iframe>"""


def find() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def load(page: Path, width: int, profile: Path) -> tuple[str, list[str]]:
    """(document after its scripts ran, lines of its console) of a page in a window of that width."""
    flags = [*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},1000"]
    done = subprocess.run([find(), *flags, page.as_uri()], capture_output=True, text=True, timeout=1800, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def act(page: Path, script: str, width: int, folder: Path) -> tuple[dict, list[str]]:
    """(what `script` returns, console) when it runs at the end of a copy of the page, which gets `window.problems`.

    The copy is without the page's content security policy, which would rightly not let the script run, and in a frame
    of the width asked for, since Chromium's own window is never narrower than 500 pixels.
    """
    text = page.read_text()
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text).replace("<head>", "<head>" + RECORD)
    run = f"""<script>
    window.addEventListener("load", () => parent.postMessage(JSON.stringify((() => {{ {script} }})()), "*"));
    </script>"""
    (folder / "copy.html").write_text(text.replace("</body>", run + "</body>"))
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width))
    document, console = load(frame, width + 100, folder / "profile")
    found = re.search(r'<pre id="verdict">(.+?)</pre>', document, re.S)
    assert found, "the script did not come to its end"
    return json.loads(unescape(found.group(1))), console

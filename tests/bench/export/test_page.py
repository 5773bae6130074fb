"""The commands of docs/models_out.md do what the page says."""

import re
import shlex
from pathlib import Path

import timm

from tests.bench.tiny import bench

PAGE = Path(__file__).parents[3] / "docs" / "models_out.md"
BLOCK = re.compile(r"<!-- (file: (?P<file>\S+)|commands|python) -->\n```(?P<language>\w*)\n(?P<text>.*?)```", re.S)


def test_the_page_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folders = set()
    for block in BLOCK.finditer(PAGE.read_text()):
        if block["file"]:
            Path(block["file"]).write_text(block["text"])
        elif block["language"] == "python":
            exec(block["text"], {})
        else:
            for line in block["text"].splitlines():
                words = shlex.split(line)
                assert words[:3] == ["python", "-m", "bench"], line
                inline = ["--launcher", "inline"] if words[3] == "run" else []
                assert bench(*words[3:], *inline) == 0, line
                folders |= {words[words.index("--out") + 1]} if "--out" in words else set()
                folders |= {words[4]} if words[3] == "init" and not words[4].startswith("--") else set()
    shown = capsys.readouterr().out
    assert shown.count("as its row says, and the same loss to the last bit") == 3
    folders = {Path(name) for name in folders}
    assert len(folders) == 8 and all((folder / "export.json").is_file() for folder in folders)
    for folder in (*folders, Path("six_blocks_again")):
        if folder.name != "sws_gene":
            timm.create_model(f"local-dir:{folder}", pretrained=True)
    once, again = (Path(name, "model.safetensors").read_bytes() for name in ("six_blocks", "six_blocks_again"))
    assert once == again

"""Damaged texts: JSON of any content, prompts, and names of files."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from a124core.utils.json_files import read_json
from a124core.utils.validate import checked_prompt, plain_name
from tests.fuzz.driver import Parser
from tests.fuzz.mutations import ODD_TEXTS, damage_json, json_bytes

SAMPLE = {"frames": [{"file_path": "a.png", "time": 0.5, "matrix": [[1, 0.25], [2, 3]]}], "note": "é", "w": 512}


def damaged_json(rng: random.Random) -> tuple[str, bytes]:
    return ".json", json_bytes(rng, damage_json(rng, SAMPLE))


def odd_text(rng: random.Random) -> tuple[str, bytes]:
    """Words, names that systems keep, and characters of all planes, surrogates and controls among them."""
    parts = [rng.choice((*NAMES, *ODD_TEXTS, _characters(rng))) for _ in range(rng.randint(1, 5))]
    return ".txt", rng.choice(("", " ", "/", ".")).join(parts).encode("utf-8", "surrogatepass")


def _characters(rng: random.Random) -> str:
    plane = rng.choice(((0, 0x80), (0x80, 0x3000), (0xD7F0, 0xE010), (0x3000, 0x110000)))
    return "".join(chr(rng.randrange(*plane)) for _ in range(rng.choice((1, 3, 2000))))


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogatepass")


def _unwritable(name: str) -> str:
    """What keeps an accepted name from being a file; empty if nothing does."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        return "" if target.is_file() and Path(folder) in target.resolve().parents else "a name that leaves its folder"


NAMES = ("CON", "nul", "COM1", "com¹", "LPT³", "CONIN$", "conout$", "aux.txt", "robot", "cats/tabby", "..", "panda", "")
PARSERS = (
    Parser("JSON", damaged_json, lambda path: read_json(path, "give a JSON file"), lambda content: ""),
    Parser("prompts", odd_text, lambda path: checked_prompt(_text(path)), lambda text: "" if text.encode() else "none"),
    Parser("names", odd_text, lambda path: plain_name(_text(path)), _unwritable),
)

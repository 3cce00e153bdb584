"""Damaged texts: JSON of any content, for the reader that all JSON of others passes."""

from __future__ import annotations

import random

from a124core.utils.json_files import read_json
from tests.fuzz.driver import Parser
from tests.fuzz.mutations import damage_json, json_bytes

SAMPLE = {"frames": [{"file_path": "a.png", "time": 0.5, "matrix": [[1, 0.25], [2, 3]]}], "note": "é", "w": 512}


def damaged_json(rng: random.Random) -> tuple[str, bytes]:
    return ".json", json_bytes(rng, damage_json(rng, SAMPLE))


PARSERS = (Parser("JSON", damaged_json, lambda path: read_json(path, "give a JSON file"), lambda content: ""),)

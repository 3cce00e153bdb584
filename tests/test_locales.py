"""The texts of ComfyUI's menus: made from the classes, every node and every input in both languages."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("en", "zh")
KEPT = {"clip", "cfg", "vae", "control_net", "x", "y"}  # names that Chinese users write as they are


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_locales", ROOT / "tools" / "make_locales.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def saved(language: str) -> dict[str, dict]:
    return json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))


def test_the_files_are_what_the_classes_say(tool: ModuleType, pack: ModuleType) -> None:
    for file, text in tool.all_files(pack).items():
        assert file.read_text(encoding="utf-8") == text, f"{file} is out of date: python tools/make_locales.py"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_input_and_output_is_there(pack: ModuleType, language: str) -> None:
    nodes = saved(language)
    assert sorted(nodes) == sorted(pack.NODE_CLASS_MAPPINGS)
    for name, node in pack.NODE_CLASS_MAPPINGS.items():
        declared, made = node.INPUT_TYPES(), nodes[name]
        assert list(made["inputs"]) == [*declared.get("required", {}), *declared.get("optional", {})]
        assert list(made["outputs"]) == [str(k) for k in range(len(node.RETURN_TYPES))]
        for entry in (*made["inputs"].values(), *made["outputs"].values()):
            assert entry["name"] and entry["tooltip"]
        assert made["display_name"].startswith("Animate124") and made["description"]


def test_chinese_is_chinese(tool: ModuleType) -> None:
    words = json.loads(tool.ZH.read_text(encoding="utf-8"))
    for english, chinese in {**words["names"], **words["texts"]}.items():
        assert english in KEPT or re.search(r"[\u4e00-\u9fff]", chinese), f"{english!r} is not translated"


def test_the_dictionary_holds_nothing_that_no_node_says(tool: ModuleType, pack: ModuleType) -> None:
    said: dict[str, set[str]] = {"names": set(), "texts": set()}

    def listen(kind: str):
        return lambda english: (said[kind].add(english), english)[1]

    tool.node_defs(pack, listen("names"), listen("texts"))
    words = json.loads(tool.ZH.read_text(encoding="utf-8"))
    assert {kind: set(words[kind]) for kind in said} == said


def test_numbers_and_names_survive_translation(tool: ModuleType) -> None:
    texts = json.loads(tool.ZH.read_text(encoding="utf-8"))["texts"]
    for english, chinese in texts.items():
        numbers = set(re.findall(r"\d+(?:\.\d+)?", english))
        assert numbers <= set(re.findall(r"\d+(?:\.\d+)?", chinese)), f"{english!r} and {chinese!r}"


def test_signs_of_the_frontends_own_are_escaped(tool: ModuleType) -> None:
    assert tool.plain("a@b {c} | d") == "a{'@'}b {'{'}c{'}'} {'|'} d"


def test_a_missing_translation_is_named(tool: ModuleType, pack: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pack.NODE_DISPLAY_NAME_MAPPINGS, "A124Render", "Animate124: 6 Paint")
    with pytest.raises(tool.Untranslated, match="Animate124: 6 Paint"):
        tool.chinese(pack)

"""Node texts in the languages of ComfyUI's menus: locales/<language>/nodeDefs.json, made from the node classes.

    python tools/make_locales.py            write them
    python tools/make_locales.py --check    only say whether they are up to date

English is what the classes say. Chinese is looked up in tools/locales_zh.json, whose keys are the English sentences:
change a tooltip, and this script says which sentence has no translation any more.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
ZH = ROOT / "tools" / "locales_zh.json"
SPECIAL = "{}@|"  # the frontend's messages give these a meaning of their own

Translate = Callable[[str], str]


class Untranslated(KeyError):
    """A name or a sentence that a dictionary lacks."""


def load_pack() -> ModuleType:
    """The pack by its own file, under a name that nothing else has."""
    name = "animate124_for_locales"
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def node_defs(pack: ModuleType, name: Translate, text: Translate) -> dict[str, dict]:
    """All nodes of the pack, in the form that the frontend reads."""
    titles = pack.NODE_DISPLAY_NAME_MAPPINGS
    return {key: node_def(titles[key], node, name, text) for key, node in sorted(pack.NODE_CLASS_MAPPINGS.items())}


def node_def(title: str, node: type, name: Translate, text: Translate) -> dict:
    declared = node.INPUT_TYPES()
    inputs = {**declared.get("required", {}), **declared.get("optional", {})}
    names = getattr(node, "RETURN_NAMES", node.RETURN_TYPES)
    outputs = zip(names, getattr(node, "OUTPUT_TOOLTIPS", ()), strict=True)
    return {
        "display_name": plain(text(title)),
        "description": plain(text(node.DESCRIPTION)),
        "inputs": {key: labelled(name(key), text(spec[1]["tooltip"])) for key, spec in inputs.items()},
        "outputs": {str(k): labelled(name(key), text(tooltip)) for k, (key, tooltip) in enumerate(outputs)},
    }


def labelled(name: str, tooltip: str) -> dict[str, str]:
    return {"name": plain(name), "tooltip": plain(tooltip)}


def plain(message: str) -> str:
    """The message as the frontend shows it letter by letter."""
    return "".join(f"{{'{c}'}}" if c in SPECIAL else c for c in message)


def chinese(pack: ModuleType) -> dict[str, dict]:
    """Every node in Chinese; what the dictionary lacks is listed in one error."""
    dictionary = json.loads(ZH.read_text(encoding="utf-8"))
    missing: dict[str, list[str]] = {"names": [], "texts": []}

    def look_up(kind: str) -> Translate:
        def find(english: str) -> str:
            if english not in dictionary[kind]:
                missing[kind].append(english)
            return dictionary[kind].get(english, english)

        return find

    defs = node_defs(pack, look_up("names"), look_up("texts"))
    if any(missing.values()):
        raise Untranslated(f"{ZH.name} lacks {json.dumps(missing, ensure_ascii=False)}")
    return defs


def all_files(pack: ModuleType) -> dict[Path, str]:
    """What belongs into which file."""
    defs = {"en": node_defs(pack, str, str), "zh": chinese(pack)}
    return {
        ROOT / "locales" / language / "nodeDefs.json": json.dumps(nodes, indent=2, ensure_ascii=False) + "\n"
        for language, nodes in defs.items()
    }


def main(check: bool) -> int:
    files = all_files(load_pack())
    old = [file for file, text in files.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in old:
        print(f"{file.relative_to(ROOT)} {'is out of date' if check else 'written'}")
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(files[file], encoding="utf-8")
    return int(check and bool(old))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))

"""What the ComfyUI registry asks of the pack: its entries, and an archive without what it bans.

    python tools/registry.py                                        say what is missing
    python tools/registry.py https://github.com/NAME/REPOSITORY     write it wherever pyproject.toml needs it

The rules are those of docs.comfy.org/registry (standards, specifications): a repository, a square icon of at most 400
pixels; no eval or exec, no pip started by a program, no code that is unpacked from text.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "https://github.com/PUBLISHER/animate124"
ICON = "web/icon.png"
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")
MAX_ICON = 400  # pixels
BANNED_CALLS = ("eval", "exec", "compile", "__import__")
BANNED_MODULES = ("subprocess", "marshal", "pty")


def archive_files() -> list[Path]:
    """Return what travels: files that git tracks, without those of .comfyignore."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ignored = [line for line in (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines() if _is_pattern(line)]
    names = (name for name in listed.splitlines() if not any(name.startswith(entry) for entry in ignored))
    return [ROOT / name for name in names]


def _is_pattern(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def violations(file: Path) -> list[str]:
    """Return what the registry bans in a Python file, as file:line: what."""
    entries = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
            entries.append((node.lineno, f"{node.func.id}()"))
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        entries += [(node.lineno, name) for name in modules if name.split(".")[0] in BANNED_MODULES]
    return [f"{file.relative_to(ROOT).as_posix()}:{line}: {name}" for line, name in entries]


def faults() -> list[str]:
    """Return everything that the registry would refuse, a sentence each."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    refused = [line for file in archive_files() if file.suffix == ".py" for line in violations(file)]
    if PLACEHOLDER in project:
        refused.append("the repository is a placeholder: run python tools/registry.py https://github.com/NAME/REPOSITORY")
    return refused


def write_repository(address: str) -> None:
    """Put the repository's address where the placeholder, or an earlier address, stands."""
    if not ADDRESS.fullmatch(address):
        raise ValueError(f"{address!r} is no address of a repository: give https://github.com/NAME/REPOSITORY.")
    file = ROOT / "pyproject.toml"
    project = file.read_text(encoding="utf-8")
    earlier = ADDRESS.search(project[project.index("[project.urls]"):])
    if earlier is None:
        raise ValueError("pyproject.toml has no Repository: add the line to [project.urls].")
    file.write_text(project.replace(earlier[0], address), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the address, if one is given, and print what is missing."""
    for address in arguments:
        write_repository(address)
    entries = faults()
    print("\n".join(entries) or "Ready to publish.")
    return int(bool(entries))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What may touch what, read from the imports of every file. The rules are those of the design: docs say why."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOST = ("comfy", "comfy_api", "comfy_execution", "comfy_extras", "server", "folder_paths", "execution", "nodes")
CORE_FILES = sorted((ROOT / "a124core").rglob("*.py"))
NODE_FILES = sorted((ROOT / "nodes").rglob("*.py"))
HOST_FOLDER = ROOT / "nodes" / "host"  # the only files that know the host

# Inside the core a file imports only from layers to its left; parts of one layer do not know each other.
LAYERS = {
    "__version__": 0, "protocols": 0, "kernels": 0, "utils": 0,
    "cameras": 1, "losses": 1, "models3d": 1, "reference": 1,
    "field": 2, "render": 2, "priors": 2,
    "stages": 3, "export": 3, "inversion": 3, "dreambooth": 3,
    "evaluation": 4, "prior_check": 4, "runs": 4,
    "cli": 5,
    "__main__": 6,
}
# Where a part is allowed to know another of its own layer, and why.
KNOWN = {
    ("render", "field"): "the marcher asks the field's occupancy where to sample",
    ("dreambooth", "inversion"): "both learn from images of the subject by the same steps and the same loss",
}


def imports(file: Path) -> list[tuple[str, int]]:
    """(dotted name, level) of every import, also those inside functions."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(f"{node.module or ''}.{a.name}".strip("."), node.level) for a in node.names]
    return found


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", CORE_FILES, ids=name_of)
def test_the_core_knows_no_host_and_imports_itself_relatively(file: Path) -> None:
    depth = len(file.relative_to(ROOT / "a124core").parts)
    for name, level in imports(file):
        assert level <= depth, f"{name}: reaches above a124core"
        if level == 0:
            assert name.split(".")[0] not in HOST, f"{name}: the core knows no host"
            assert name.split(".")[0] != "a124core", f"{name}: import relatively, the host gives the pack another name"


@pytest.mark.parametrize("file", NODE_FILES, ids=name_of)
def test_nodes_import_relatively_and_leave_the_host_to_their_host_folder(file: Path) -> None:
    for name, level in imports(file):
        first = name.split(".")[0]
        if HOST_FOLDER in file.parents:
            continue
        assert level or first not in HOST, f"{name}: only nodes/host knows the host"
        assert level or first != "a124core", f"{name}: import relatively"


@pytest.mark.parametrize("file", NODE_FILES, ids=name_of)
def test_the_host_is_not_imported_while_the_pack_loads(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert not any(n.split(".")[0] in HOST for n in names), f"{names}: look the host up inside functions"


def lookups(file: Path) -> list[str]:
    """Modules that a file looks up by name (a name that is no literal counts as "?"), past the import statement."""
    names = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.modules":
            names.append("?")
        called = getattr(node, "func", None)
        if getattr(called, "id", getattr(called, "attr", "")) in ("import_module", "find_spec", "__import__"):
            names += [a.value if isinstance(a, ast.Constant) else "?" for a in node.args[:1]]
    return names


@pytest.mark.parametrize("file", [f for f in NODE_FILES if HOST_FOLDER not in f.parents], ids=name_of)
def test_nodes_look_no_module_up_outside_their_host_folder(file: Path) -> None:
    assert not lookups(file), "only nodes/host looks modules of the host up"


@pytest.mark.parametrize("file", CORE_FILES, ids=name_of)
def test_the_core_looks_no_module_of_the_host_up(file: Path) -> None:
    assert not {str(name).split(".")[0] for name in lookups(file)} & set(HOST)
    assert "sys.modules" not in file.read_text(encoding="utf-8")


def test_the_root_of_nodes_stays_small() -> None:
    assert len(list((ROOT / "nodes").glob("*.py"))) <= 5


@pytest.mark.parametrize("file", CORE_FILES, ids=name_of)
def test_files_of_the_core_import_from_their_left(file: Path) -> None:
    parts = file.relative_to(ROOT / "a124core").with_suffix("").parts
    if parts[0] == "__init__":
        return
    for name, level in imports(file):
        target = target_of(name, level, len(parts))
        if target is None or target == parts[0]:
            continue
        assert target in LAYERS, f"{target}: say in this test which layer it belongs to"
        left = LAYERS[target] < LAYERS[parts[0]] or LAYERS[target] == LAYERS[parts[0]] in (0, 1)
        assert left or (parts[0], target) in KNOWN, f"{'/'.join(parts)} imports {target}, which is not on its left"


def target_of(name: str, level: int, depth: int) -> str | None:
    """The part of a124core that a relative import names; None for its own folder, other packages, the version."""
    return (name.split(".")[0] or None) if level == depth and name != "__version__" else None


def test_accelerators_are_asked_for_in_one_file() -> None:
    for file in CORE_FILES + NODE_FILES:
        if name_of(file) != "a124core/utils/device.py":
            assert "torch.cuda" not in file.read_text(encoding="utf-8"), f"{name_of(file)} asks for CUDA itself"


def test_nothing_is_run_or_loaded_that_a_workflow_could_bring() -> None:
    for file in CORE_FILES + NODE_FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = getattr(node, "func", None)
            name = getattr(called, "id", getattr(called, "attr", ""))
            assert not (isinstance(called, ast.Name) and name in ("eval", "exec")), f"{name_of(file)} calls {name}"
            if name == "load" and getattr(getattr(called, "value", None), "id", "") == "torch":
                safe = [k.value for k in node.keywords if k.arg == "weights_only"]
                assert safe and getattr(safe[0], "value", None) is True, (
                    f"{name_of(file)} calls torch.load: use safetensors, or weights_only=True for files of others"
                )

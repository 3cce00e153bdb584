"""Which backend is taken, and that nothing bad comes of a bad one."""

from __future__ import annotations

import ast
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from a124core import kernels
from a124core.kernels import dispatch as backend
from a124core.kernels.selftest import CASES, disagreement
from a124core.kernels.torch_impl import ops as torch_ops

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    backend._chosen.cache_clear()
    yield
    backend._chosen.cache_clear()


@pytest.mark.parametrize("wish", ["torch", "triton", "Triton "])
def test_a_cpu_always_has_torch(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A124_KERNELS", wish)
    assert backend.ops_for(CPU) is torch_ops


@pytest.mark.parametrize("wish", ["", "auto", "numba"])
def test_a_cpu_without_numba_has_torch(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A124_KERNELS", wish)
    monkeypatch.setattr(backend, "_has_numba", lambda: False)
    assert backend.ops_for(CPU) is torch_ops


def test_numba_that_is_wished_for_and_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("A124_KERNELS", "numba")
    monkeypatch.setattr(backend, "_has_numba", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert backend.ops_for(CPU) is torch_ops
    assert caplog.records[0].getMessage().endswith("-m pip install numba")


@pytest.mark.parametrize("wish", ["", "auto", "numba"])
def test_a_cpu_with_numba_has_it(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("A124_KERNELS", wish)
    assert backend.backend_name(CPU) == "numba"


def test_an_unknown_wish_is_named_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("A124_KERNELS", "cuda")
    monkeypatch.setattr(backend, "_has_numba", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert backend.ops_for(CPU) is torch_ops and backend.ops_for(CPU) is torch_ops
    assert [r.getMessage() for r in caplog.records] == [
        "A124_KERNELS is 'cuda': use one of auto, torch, triton, numba. Going on with auto."
    ]


def test_where_triton_cannot_be_imported_torch_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setitem(sys.modules, "triton", None)
    for file in Path(kernels.__file__).parent.glob("triton_*.py"):
        name = file.stem
        monkeypatch.delitem(sys.modules, f"a124core.kernels.{name}", raising=False)
        monkeypatch.delattr(kernels, name, raising=False)
    with caplog.at_level(logging.WARNING):
        assert backend.ops_for(CPU) is torch_ops and backend.ops_for(CPU) is torch_ops
    assert len(caplog.records) == 1
    assert "plain torch is used instead" in caplog.records[0].getMessage()


def test_the_specification_agrees_with_itself() -> None:
    assert disagreement(torch_ops, torch_ops, CPU) == ""


def test_the_choice_works_inside_inference_mode() -> None:
    with torch.inference_mode():
        assert disagreement(torch_ops, torch_ops, CPU) == ""


@pytest.mark.parametrize("name", torch_ops.__all__)
def test_a_small_mistake_is_found(name: str) -> None:
    """One part in a thousand off, in one operation."""

    def off(*given):
        found = getattr(torch_ops, name)(*given)
        if name == "adam_time_tv":
            return given[0].mul_(1.001)
        return (found[0], found[1] * 1.001) if name == "march" else found * 1.001

    wrong = SimpleNamespace(**{**{n: getattr(torch_ops, n) for n in torch_ops.__all__}, name: off})
    assert disagreement(wrong, torch_ops, CPU).endswith("does not give what torch gives.")


def test_a_wrong_gradient_is_found() -> None:
    """The value is right, the gradient one part in a thousand off."""

    def off(*given):
        found = torch_ops.render_weights(*given)
        return found + 1e-3 * (found - found.detach())

    wrong = SimpleNamespace(**{**{n: getattr(torch_ops, n) for n in torch_ops.__all__}, "render_weights": off})
    assert disagreement(wrong, torch_ops, CPU) == "render_weights does not give what torch gives."


def test_every_operation_is_in_the_self_test() -> None:
    text = Path(sys.modules[disagreement.__module__].__file__).read_text(encoding="utf-8")
    assert CASES and all(name in text for name in torch_ops.__all__)


def test_every_operation_chooses_a_backend() -> None:
    """The package's function of the name is its own, not torch's."""
    assert all(getattr(kernels, name).__module__ == kernels.__name__ for name in torch_ops.__all__)


def test_what_a_backend_does_not_cover_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("A124_KERNELS", "numba")
    ops = backend.ops_for(CPU)
    own = {name for name in torch_ops.__all__ if getattr(ops, name) is not getattr(torch_ops, name)}
    assert own == {"splat_points", "encode_grid", "encode_grid_gradient", "march"}


@pytest.mark.parametrize("compiler", ["triton", "numba"])
def test_only_its_own_files_import_a_compiler(compiler: str) -> None:
    """Importing the kernels imports no compiler."""
    for file in Path(kernels.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert file.name.startswith(compiler) or not any(n.split(".")[0] == compiler for n in names), file.name


def test_points_that_want_a_gradient_get_torch() -> None:
    """The fused kernels have none to give; the public function chooses."""
    xyz = torch.zeros(1, 3, requires_grad=True)
    assert kernels._grid_ops(torch.zeros(1, 8, 2), xyz, torch.zeros(1)) is torch_ops

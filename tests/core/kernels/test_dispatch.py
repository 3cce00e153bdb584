"""Which backend is selected, and that a bad one does no harm."""

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
from a124core.kernels.selftest import CASES, mismatch
from a124core.kernels.torch_impl import ops as torch_ops

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def unselected(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    backend._select.cache_clear()
    yield
    backend._select.cache_clear()


@pytest.mark.parametrize("request_", ["torch", "triton", "Triton "])
def test_a_cpu_always_has_torch(request_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A124_KERNELS", request_)
    assert backend.ops_for(CPU) is torch_ops


@pytest.mark.parametrize("request_", ["", "auto", "numba"])
def test_a_cpu_without_numba_has_torch(request_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A124_KERNELS", request_)
    monkeypatch.setattr(backend, "_has_numba", lambda: False)
    assert backend.ops_for(CPU) is torch_ops


def test_numba_that_is_requested_but_not_installed_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("A124_KERNELS", "numba")
    monkeypatch.setattr(backend, "_has_numba", lambda: False)
    with caplog.at_level(logging.WARNING):
        assert backend.ops_for(CPU) is torch_ops
    assert caplog.records[0].getMessage().endswith("-m pip install numba")


@pytest.mark.parametrize("request_", ["", "auto", "numba"])
def test_a_cpu_with_numba_has_it(request_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("A124_KERNELS", request_)
    assert backend.backend_name(CPU) == "numba"


def test_an_unknown_request_is_reported_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
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
    for name in [name for name in sys.modules if name.startswith("a124core.kernels.triton_impl.")]:
        monkeypatch.delitem(sys.modules, name)
    with caplog.at_level(logging.WARNING):
        assert backend.ops_for(CPU) is torch_ops and backend.ops_for(CPU) is torch_ops
    assert len(caplog.records) == 1
    assert "plain torch is used instead" in caplog.records[0].getMessage()


def test_the_specification_agrees_with_itself() -> None:
    assert mismatch(torch_ops, torch_ops, CPU) == ""


def test_selection_works_inside_inference_mode() -> None:
    with torch.inference_mode():
        assert mismatch(torch_ops, torch_ops, CPU) == ""


@pytest.mark.parametrize("name", torch_ops.__all__)
def test_a_small_mistake_is_detected(name: str) -> None:
    """One part in a thousand off, in one operation."""

    def off(*inputs):
        result = getattr(torch_ops, name)(*inputs)
        if result is None or name == "adam_temporal_tv":  # in place
            return inputs[0].mul_(1.001)
        return (result[0], result[1] * 1.001) if name == "march" else result * 1.001

    wrong = SimpleNamespace(**{**{n: getattr(torch_ops, n) for n in torch_ops.__all__}, name: off})
    assert mismatch(wrong, torch_ops, CPU).endswith("does not match torch.")


def test_a_wrong_gradient_is_detected() -> None:
    """The value is right, the gradient one part in a thousand off."""

    def off(*inputs):
        weights = torch_ops.render_weights(*inputs)
        return weights + 1e-3 * (weights - weights.detach())

    wrong = SimpleNamespace(**{**{n: getattr(torch_ops, n) for n in torch_ops.__all__}, "render_weights": off})
    assert mismatch(wrong, torch_ops, CPU) == "render_weights does not match torch."


def test_every_operation_is_in_the_self_test() -> None:
    text = Path(sys.modules[mismatch.__module__].__file__).read_text(encoding="utf-8")
    assert CASES and all(name in text for name in torch_ops.__all__)


def test_every_operation_selects_a_backend() -> None:
    """The package's function of the name is its own, not torch's."""
    assert all(getattr(kernels, name).__module__ == kernels.__name__ for name in torch_ops.__all__)


def test_torch_computes_what_a_backend_does_not_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("A124_KERNELS", "numba")
    ops = backend.ops_for(CPU)
    own = {name for name in torch_ops.__all__ if getattr(ops, name) is not getattr(torch_ops, name)}
    assert own == {"splat_points", "encode_grid", "march", "nearest_faces", "draw_gaussians", "temporal_smoothing"}


@pytest.mark.parametrize("compiler", ["triton", "numba"])
def test_only_its_own_files_import_a_compiler(compiler: str) -> None:
    """Importing the kernels imports no compiler."""
    importers = set()
    for file in Path(kernels.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(n.split(".")[0] == compiler for n in names):
                importers.add(file.parent.name)
    assert importers == {f"{compiler}_impl"}


def test_points_that_need_a_gradient_get_torch() -> None:
    """The fused kernels have none; the public function selects."""
    xyz = torch.zeros(1, 3, requires_grad=True)
    assert kernels._grid_ops(torch.zeros(1, 8, 2), xyz, torch.zeros(1)) is torch_ops

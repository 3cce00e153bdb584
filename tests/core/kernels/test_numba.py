"""Numba's kernels: the same checks as Triton's, and that threads change nothing."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from a124core.field.config import FieldConfig
from a124core.field.grid import grid_levels, rows_per_grid

HERE = Path(__file__).parent
CHECKS = sorted(map(str, HERE.glob("backend*_checks.py")))
ROOT = HERE.parents[2]
pytest.importorskip("numba", reason="numba is not installed: pip install numba")


def test_numba_agrees_with_torch() -> None:
    """backend*_checks.py in a process of its own: nothing is compiled or selected yet."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *CHECKS]
    environment = {**os.environ, "A124_KERNELS": "numba", "OMP_NUM_THREADS": "2"}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "numba has no mlp of its own" in done.stdout and "encode_grid of its own" not in done.stdout
    assert "left out" not in done.stdout + done.stderr


@pytest.mark.parametrize("slopes", [False, True])
def test_sums_do_not_depend_on_threads(slopes: bool) -> None:
    """40,000 samples: three pieces on three threads, against one thread; bit for bit."""
    from a124core.kernels.numba_impl import ops as numba_ops

    config = FieldConfig(time_grids=2, levels=3, base_resolution=4, max_resolution=32, log2_hashmap_size=10)
    rng = torch.Generator().manual_seed(0)
    table = torch.rand(2, rows_per_grid(config), 2, generator=rng, requires_grad=True)
    xyz, time = torch.rand(40_000, 3, generator=rng) * 2 - 1, torch.tensor([0.2, 0.7]).repeat_interleave(20_000)
    results, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            values = numba_ops.encode_grid(table, xyz, time, grid_levels(config), slopes=slopes)
            results.append((values, torch.autograd.grad(values.square().sum(), table)[0]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the threads of a process are counted under Linux")
def test_tasks_start_no_threads_of_openmp() -> None:
    """A torch operation on an array in a task starts a second set of them, and with more threads than cores OpenMP puts
    them all to sleep at every wait: after the first large image a step took half as long again."""
    code = """if True:
        import os, torch
        from a124core.cameras.rig import make_cameras
        from a124core.field.config import FieldConfig
        from a124core.field.field4d import new_field
        from a124core.kernels.numba_impl.threads import MIN_WORK, run_tasks
        from a124core.priors.builtin.appearance import Appearance, get_subject, render_appearance
        from a124core.render.clip import ImageOptions, render_clip
        torch.set_num_threads(2)
        config = FieldConfig(time_grids=2, levels=3, base_resolution=4, max_resolution=32)
        field = new_field(config, torch.Generator().manual_seed(0))
        torch.rand(10**6).sort()
        run_tasks(lambda k: None, 2, MIN_WORK)
        before = len(os.listdir("/proc/self/task"))
        cameras, time = make_cameras([15.0] * 2, [20.0, 140.0], 2.5, 45.0), torch.tensor([0.2, 0.7])
        render_clip(field, cameras, time, ImageOptions(192, n_steps=192, normals=False))
        render_appearance(Appearance(get_subject("robot"), "reference", "sway"), cameras, time, 256)
        print("threads:", before, len(os.listdir("/proc/self/task")))
    """
    environment = {**os.environ, "A124_KERNELS": "numba", "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.split("threads:")[1].split()
    assert before == after


def test_kernels_use_no_numbers_of_other_files() -> None:
    """Numba keeps a kernel until its own file changes: of another file's number it would keep the old value."""
    files = sorted((ROOT / "a124core" / "kernels" / "numba_impl").glob("*.py"))
    assert len(files) > 3
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {
            alias.asname or alias.name
            for node in tree.body if isinstance(node, ast.ImportFrom) and node.level
            for alias in node.names
        }
        kernels = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
        parts = [part for kernel in kernels for part in kernel.body]
        used = {name.id for part in parts for name in ast.walk(part) if isinstance(name, ast.Name)}
        assert not used & imported, (file.name, used & imported)


def test_nan_points_read_nothing_outside_the_table() -> None:
    from a124core.kernels.numba_impl import ops as numba_ops

    config = FieldConfig(time_grids=2, levels=3, base_resolution=4, max_resolution=32, log2_hashmap_size=10)
    table = torch.rand(2, rows_per_grid(config), 2, requires_grad=True)
    xyz = torch.full((900, 3), torch.nan)
    values = numba_ops.encode_grid(table, xyz, torch.full((900,), 0.3), grid_levels(config))
    assert not torch.autograd.grad(values.nansum(), table)[0].isinf().any()


def test_invalid_rays_are_refused() -> None:
    from a124core.kernels.numba_impl import ops as numba_ops

    rays, slices, cells = torch.zeros(2, 3), torch.tensor([0, 1]), torch.ones(1, 4, 4, 4, dtype=torch.bool)
    ahead, box = torch.tensor([[0.0, 0.0, -1.0]]).expand(2, 3), torch.tensor([[-1.0] * 3, [1.0] * 3])
    with pytest.raises(IndexError, match="not among the 1 of the occupancy"):
        numba_ops.march(rays, ahead, slices, cells, box, 0.1, torch.zeros(2))
    with pytest.raises(ValueError, match="check the cameras"):
        numba_ops.march(rays * torch.nan, ahead, slices * 0, cells, box, 0.1, torch.zeros(2))


def test_colours_that_need_a_gradient_get_torch(rng: torch.Generator) -> None:
    from a124core import kernels

    points = torch.rand(1, 3, 50, generator=rng) - 0.5
    colours = torch.rand(50, 3, generator=rng, requires_grad=True)
    c2w = torch.eye(4)[None].clone()
    c2w[:, 2, 3] = 1.8
    image = kernels.splat_points(points, points, colours, c2w, torch.tensor([1.8]), torch.tensor([20.0]), 8)
    assert torch.autograd.grad(image.sum(), colours)[0].any()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_makes_threads_of_its_own() -> None:
    from a124core.kernels.numba_impl import threads as numba_threads

    before = numba_threads._pool(2)
    code = (
        "import os, torch; torch.set_num_threads(2); from a124core.kernels.numba_impl.threads import run_tasks\n"
        "run_tasks(lambda k: None, 4, 2**20)\npid = os.fork()\n"
        "if pid == 0:\n    run_tasks(lambda k: None, 4, 2**20)\n    os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
    assert numba_threads._pool(2) is before


def test_kernels_are_kept_for_each_name_of_the_pack(tmp_path: Path) -> None:
    """The command line and the host import one folder under two names: neither loses what it compiled to the other."""
    unwanted = shutil.ignore_patterns("__pycache__")
    for module in ("__init__.py", "kernels", "utils"):
        source, copy = ROOT / "a124core" / module, tmp_path / "pack" / "a124core" / module
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copy, ignore=unwanted) if source.is_dir() else shutil.copy(source, copy)
    (tmp_path / "pack" / "__init__.py").touch()

    def march(path: Path, package: str) -> tuple[int, int]:  # kernels read from disk, and compiled
        code = (
            f"import torch; from {package}.kernels.numba_impl import march as m\n"
            "rays = torch.tensor([[0.0, 0.0, 3.0]]), torch.tensor([[0.0, 0.0, -1.0]])\n"
            "cells, box = torch.ones(1, 4, 4, 4, dtype=torch.bool), torch.tensor([[-1.0] * 3, [1.0] * 3])\n"
            "m.march(*rays, torch.zeros(1, dtype=torch.long), cells, box, 0.1, torch.zeros(1))\n"
            "print(sum(m._march.stats.cache_hits.values()), sum(m._march.stats.cache_misses.values()))"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=path, capture_output=True, text=True, check=True, timeout=120)
        hits, misses = map(int, done.stdout.split())
        return hits, misses

    ways = (tmp_path, "pack.a124core"), (tmp_path / "pack", "a124core")
    assert [march(*way) for way in ways] == [(0, 1), (0, 1)]
    assert [march(*way) for way in ways] == [(1, 0), (1, 0)]

"""What is measured, most valuable first, each for how long at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HERE = "benchmarks.gpu"
MEMORIES = ("full", "balanced", "low")
STAGES = ("static", "coarse", "fine")


@dataclass(frozen=True)
class Row:
    """One measurement, or several that belong together."""

    name: str  # its key in the JSON
    task: str  # the function that measures it
    limit: float  # seconds at most
    least: float = 5.0  # seconds: with fewer left it is not begun
    options: dict[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()  # without one of these it is skipped
    module: str = f"{HERE}.tasks"  # of the function: imported by its row, so that no row needs another's packages


MACHINE = Row("machine", "machine", 120.0)
MODELS = ("diffusers", "transformers")
TCNN = "tiny-cuda-nn"  # its own module against the pack's kernels: skipped where it is not installed


def rows(tiny: bool) -> tuple[Row, ...]:
    """Return all rows in their order; `tiny` is for a test on a CPU, whose numbers mean nothing."""
    return _tiny() if tiny else _whole()


def _whole() -> tuple[Row, ...]:
    still = {"log2_rows": 16, "repeats": 5}
    moving = {"samples": 50_000, "grids": (1, 4, 16, 64, 256), "sizes": (64, 128, 256, 512), "log2_rows": 16}
    return (
        Row("kernels", "kernels", 60.0),
        Row("checks", "checks", 100.0, least=30.0, packages=("pytest",)),
        Row("demo", "demo", 150.0, least=30.0, options={"steps_scale": 1.0, "graded": STAGES}, module=f"{HERE}.demo"),
        Row("field", "field", 45.0, options={"samples": 500_000, "frames": 16, "time_grids": 64, **still}),
        Row("scaling", "scaling", 60.0, options={**moving, "repeats": 5}),
        Row(
            TCNN, "tcnn", 45.0, options={"samples": 500_000, "frames": 16, "time_grids": 64, **still},
            packages=("tinycudann",),
        ),
        *(_full_size(stage, "full") for stage in STAGES),
        *(_memory(preset) for preset in ("released", "draft", "paper", "demo", "good")),
        *(_full_size(stage, "low") for stage in STAGES),
        Row("trained set", "trained_set", float("inf"), least=60.0, packages=MODELS, module=f"{HERE}.trained"),
    )


def _full_size(stage: str, memory: str) -> Row:
    options = {"stage": stage, "memory": memory, "steps": 20, "tiny": False}
    return Row(full_size_name(stage, memory), "full_size", 45.0, least=15.0, options=options, packages=MODELS)


def _memory(preset: str) -> Row:
    options = {"preset": preset, "steps": 8}
    return Row(memory_name(preset), "peaks", 50.0, least=10.0, options=options, module=f"{HERE}.peaks")


def full_size_name(stage: str, memory: str) -> str:
    """Return the key of a stage with networks of the true sizes."""
    return f"full size, {stage}, {memory}"


def memory_name(preset: str) -> str:
    """Return the key of a preset's peaks of memory."""
    return f"memory, {preset}"


def _tiny() -> tuple[Row, ...]:
    """The same tasks on next to nothing, with limits that a busy machine keeps."""
    slow = 1800.0
    moving = {"samples": 500, "grids": (1, 2), "sizes": (8, 16), "log2_rows": 8, "repeats": 1}
    still = {"samples": 500, "frames": 4, "time_grids": 3, "log2_rows": 8, "repeats": 1}
    networks = {"stage": "static", "memory": "low", "steps": 1, "tiny": True}
    return (
        Row("kernels", "kernels", slow),
        Row("checks", "checks", slow, options={"only": "no_samples"}, packages=("pytest",)),
        Row("demo", "demo", slow, options={"steps_scale": 0.004, "graded": ()}, module=f"{HERE}.demo"),
        Row("field", "field", slow, options=still),
        Row("scaling", "scaling", slow, options=moving),
        Row(TCNN, "tcnn", slow, options=still, packages=("tinycudann",)),
        Row(full_size_name("static", "low"), "full_size", slow, options=networks, packages=MODELS),
        Row(memory_name("demo"), "peaks", slow, options={"preset": "demo", "steps": 2}, module=f"{HERE}.peaks"),
        Row(
            "trained set", "trained_set", slow, options={"steps_scale": 1e-4}, packages=MODELS, module=f"{HERE}.trained"
        ),
    )

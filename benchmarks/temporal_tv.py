"""What temporal TV does to a row of 64 time grids of which only the middle one has a gradient, a steady one.

python -m benchmarks.temporal_tv prints Markdown: where some grids are after 1,000 steps of Adam at rate 0.01, with
temporal TV as a loss on tables or beside Adam, for several weights and sizes of the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.stages.config import CoarseConfig, LossWeights
from a124core.stages.optimizer import adam_step, new_optimiser

STEPS, MIDDLE, SHOWN = 1000, 32, (32, 31, 30, 28, 20)
SMALL = FieldConfig(
    time_grids=64, levels=1, base_resolution=2, max_resolution=2, log2_hashmap_size=3, hidden=4, init_scale=0.0
)
CASES = (  # form, weight, gradient
    ("tables", 0.1, 1e-3), ("tables", 1e-4, 1e-3), ("tables", 0.1, 1e-8),
    ("decoupled", 0.01, 1e-3), ("decoupled", 0.01, 1e-8), ("decoupled", 0.1, 1e-3), ("decoupled", 0.5, 1e-3),
)


def main() -> None:
    print(f"| form | weight | gradient | {' | '.join(f'grid {k}' for k in SHOWN)} |")
    print("|---" * (3 + len(SHOWN)) + "|")
    for form, weight, gradient in CASES:
        row = pulled(LossWeights(time_tv=weight, time_tv_form=form), gradient)
        print(f"| {form} | {weight:g} | {gradient:g} | {' | '.join(f'{float(row[k]):.2f}' for k in SHOWN)} |")


def pulled(losses: LossWeights, gradient: float) -> Tensor:  # (64,)
    """Return an entry of every time grid after the middle one was pulled upwards."""
    field, config = new_field(SMALL, torch.Generator()).fork(), CoarseConfig(steps=STEPS, losses=losses)
    optimiser = new_optimiser(field, config.optim)
    for step in range(1, STEPS + 1):
        field.table.grad = torch.zeros_like(field.table)
        field.table.grad[MIDDLE] = -gradient
        adam_step(optimiser, field, config, step)
    return field.table.detach()[:, 0, 0]


if __name__ == "__main__":
    main()

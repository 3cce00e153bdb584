"""Is what a stage optimises still there? Its numbers and images are judged after every step's gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..field.field4d import Field4D
from ..protocols import FieldExplodedError, FieldLostError
from ..utils.text import START_OVER

EMPTY, FULL = 0.001, 0.995  # mean opacity of a whole clip beyond which nothing can be learned any more
PATIENCE = 20  # steps in a row that may be that empty or full
CHECK_EVERY = 10  # steps between two looks at all parameters, each of which reads the tables once
SOFTER, AGAIN = "lower the guidance weights", f", then {START_OVER}."
LARGEST = 1e4  # a parameter's absolute value that no collapse has to confirm
EXPLODED = (50.0, 5.0)  # a table's and an MLP's largest when a learning rate was too high; demo ends with 15 and 0.5


@dataclass
class Health:
    """What the last steps say about the field."""

    stage: str
    collapsed_steps: int = 0  # steps in a row with empty or full images
    healthy_step: int = 0  # the last one before them

    def check(self, step: int, field: Field4D, losses: dict[str, float], opacities: list[float]) -> None:
        """Judge a step before its update: FieldLostError with advice if the field is lost."""
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            raise FieldExplodedError(self._at(step, f"{', '.join(bad)} is not a number any more"), f"{SOFTER}{AGAIN}")
        if step % CHECK_EVERY == 0:
            self.check_parameters(step, field)
        mean = sum(opacities) / len(opacities) if opacities else 0.5
        self.collapsed_steps = self.collapsed_steps + 1 if mean < EMPTY or mean > FULL else 0
        if not self.collapsed_steps:
            self.healthy_step = step
        if self.collapsed_steps >= PATIENCE:
            self._stop_collapsed(step, field, mean)

    def check_parameters(self, step: int, field: Field4D) -> None:
        """Raise FieldExplodedError if a parameter is no number, or far from any that learning leads to."""
        if all(float(torch.linalg.vector_norm(tensor.detach())) < LARGEST for tensor in field.parameters.values()):
            return  # no number exceeds the norm, which is found in a quarter of the time
        blown = [size for size in _largest(field) if not size < LARGEST]
        if blown:
            reason = self._at(step, f"the field's numbers blew up to {blown[0]:.3g}")
            raise FieldExplodedError(reason, f"{SOFTER}{AGAIN}")

    def _stop_collapsed(self, step: int, field: Field4D, mean: float) -> None:
        state = "empty, nothing is left to see" if mean < EMPTY else "full, density fills every image"
        exploded = any(size > limit for size, limit in zip(_largest(field), EXPLODED, strict=True))
        kind = FieldExplodedError if exploded else FieldLostError
        look = "check the mask's polarity and that the subject is no drawing of thin lines"
        advice = f"{look}, {SOFTER}, or raise the weight of the view guidance{AGAIN}"
        raise kind(self._at(step, f"the field collapsed and is {state}"), advice)

    def _at(self, step: int, reason: str) -> str:
        return f"{self.stage} step {step}: {reason}"


def _largest(field: Field4D) -> tuple[float, float]:
    """Return the largest absolute values of tables and MLP; nan where there is one that is no number."""
    return _absolute(field.tables), _absolute(field.mlp)


def _absolute(tensors: dict[str, Tensor]) -> float:
    """Return the largest absolute value; aminmax makes both ends nan where one number is."""
    ends = (tensor.detach().aminmax() for tensor in tensors.values())
    sizes = [max(float(high), -float(low)) for low, high in ends]
    return max(sizes, key=lambda size: (math.isnan(size), size))

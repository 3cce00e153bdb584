"""A queued graph of the static stage, the host's cancel, and how two results are compared."""

from __future__ import annotations

from typing import Any

import torch

PROMPT = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "disc.png"}},
    "2": {"class_type": "A124Reference", "inputs": {"image": ["1", 0], "mask": ["1", 1], "mask_marks": "auto"}},
    "3": {
        "class_type": "A124StaticOptimizer",
        "inputs": {"preset": "auto", "memory": "auto", "steps": 0, "seed": 0, "resume": "auto", "reference": ["2", 0]},
    },
}


class Cancelled(BaseException):
    """As the host's own exception is one since 0.20.1."""


def same(a: Any, b: Any) -> bool:
    return torch.equal(a.table, b.table) and all(torch.equal(a.mlp[k], b.mlp[k]) for k in a.mlp)

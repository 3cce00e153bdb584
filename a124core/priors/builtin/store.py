"""A cache with a limit in bytes. It changes nothing but the time an answer takes."""

from __future__ import annotations

from collections.abc import Hashable

from torch import Tensor


class Store:
    """Tensors by key; when the limit is passed, those put in first go first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit  # bytes
        self.kept = 0  # bytes
        self._rows: dict[Hashable, tuple[Tensor, ...]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: Hashable) -> tuple[Tensor, ...] | None:
        return self._rows.get(key)

    def put(self, key: Hashable, *tensors: Tensor) -> None:
        """Tensors must own their memory: a slice would keep its whole batch alive."""
        self.kept += _bytes(tensors) - _bytes(self._rows.pop(key, ()))
        self._rows[key] = tensors
        while self.kept > self.limit and len(self._rows) > 1:
            self.kept -= _bytes(self._rows.pop(next(iter(self._rows))))


def _bytes(tensors: tuple[Tensor, ...]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)

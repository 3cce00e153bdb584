"""Adam with temporal TV: against the formulas typed out, and against torch's Adam on the summed loss."""

from __future__ import annotations

import pytest
import torch

from a124core.kernels import AdamRule, adam_temporal_tv

RULE = AdamRule(lr=0.01, beta1=0.9, beta2=0.99, eps=1e-15, clip=0.0)


def by_hand(x: list[float], gradients: list[list[float]], rule: AdamRule, tv: float, closed: bool) -> list[float]:
    """Kingma and Ba's algorithm 1 for one column, with loops."""
    m, s, n = [0.0] * len(x), [0.0] * len(x), len(x)
    pairs = [(k, (k + 1) % n) for k in range(n if closed else n - 1)]
    for step, gradient in enumerate(gradients, 1):
        g = list(gradient)
        for a, b in pairs:
            g[a] += 2 * tv * (x[a] - x[b])
            g[b] += 2 * tv * (x[b] - x[a])
        if rule.clip:
            g = [min(max(v, -rule.clip), rule.clip) for v in g]
        m = [rule.beta1 * a + (1 - rule.beta1) * v for a, v in zip(m, g, strict=True)]
        s = [rule.beta2 * a + (1 - rule.beta2) * v * v for a, v in zip(s, g, strict=True)]
        unbiased = [(a / (1 - rule.beta1**step), b / (1 - rule.beta2**step)) for a, b in zip(m, s, strict=True)]
        x = [v - rule.lr * a / (b**0.5 + rule.eps) for v, (a, b) in zip(x, unbiased, strict=True)]
    return x


@pytest.mark.parametrize(("closed", "clip"), [(False, 0.0), (True, 0.0), (True, 0.3)])
def test_the_formulas_typed_out(closed: bool, clip: float, rng: torch.Generator) -> None:
    rule = AdamRule(RULE.lr, RULE.beta1, RULE.beta2, RULE.eps, clip)
    values = torch.randn(4, 3, generator=rng, dtype=torch.float64)
    gradients = torch.randn(5, 4, 3, generator=rng, dtype=torch.float64)
    expected = [by_hand(values[:, c].tolist(), gradients[:, :, c].tolist(), rule, 0.2, closed) for c in range(3)]
    mean, square, count = torch.zeros_like(values), torch.zeros_like(values), torch.zeros(())
    for gradient in gradients.clone():
        adam_temporal_tv(values, gradient, mean, square, count, rule, 0.2, closed)
    torch.testing.assert_close(values.T.tolist(), expected, atol=1e-9, rtol=0)
    assert count == 5


def test_grids_without_a_gradient_move_by_temporal_tv_alone() -> None:
    """A gradient at the middle grid alone: the others follow from the second step on."""
    values, mean, square, count = torch.zeros(3, 1), torch.zeros(3, 1), torch.zeros(3, 1), torch.zeros(())
    gradient = torch.tensor([[0.0], [-1.0], [0.0]])
    adam_temporal_tv(values, gradient.clone(), mean, square, count, RULE, 0.1, False)
    assert values.flatten().tolist() == pytest.approx([0.0, RULE.lr, 0.0])
    adam_temporal_tv(values, torch.zeros(3, 1), mean, square, count, RULE, 0.1, False)
    assert values[0] > 0 and values[2] == values[0]

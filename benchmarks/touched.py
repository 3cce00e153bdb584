"""Does it pay to move only the time grids that a step's frames touch? A toy: a ball that rises, 64 small time grids.

    python -m benchmarks.touched [--steps 200] [--tv 0.1]

Dense Adam moves every grid at every step: moments decay, values drift on, temporal TV pulls everywhere. Touched-only
makes up for the steps that a grid has missed when it is next needed. After k steps without a gradient

    m_k = beta1^k m,  s_k = beta2^k s,  x_k = x - m / sqrt(s) sum_(j=1..k) rate_j root_j (beta1 / sqrt(beta2))^j,

rate_j and root_j being the corrections of step n + j. This leaves eps, 1e-15, out of the drift; with eps the k steps
must be made one by one. Temporal TV of missed steps has no such form, because neighbours move meanwhile: it acts on
touched grids only, divided by how often each is touched."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.optim.adam import adam

from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, from_static, new_field
from a124core.kernels import AdamRule, adam_time_tv
from a124core.losses import time_tv_pairs
from a124core.stages.clip_times import sample_clip_times
from a124core.stages.config import TimeConfig
from a124core.utils.device import keep_freed_pages

from .measure import clock_for

GRIDS = 64
FIELD = FieldConfig(time_grids=1, levels=6, base=4, finest=32, log2_rows=11, hidden=16, density="softplus")
RULE = AdamRule(lr=0.01, beta1=0.9, beta2=0.99, eps=1e-15, clip=1.0)  # presets released and draft
POINTS = 2000  # of a step
DRAWS = 4000  # clips from which the touch probabilities are counted
Missed = Callable[[Tensor, Tensor, Tensor, range], None]  # values, mean, square (M,) of a grid, the steps it missed


def moments(step: int, rng: torch.Generator) -> Tensor:  # (F,)
    """Every fourth step sees the first moment alone, the others a clip of 16 frames (preset released)."""
    return torch.zeros(1) if step % 4 == 0 else sample_clip_times(TimeConfig(), rng).times


def touched_by(times: Tensor) -> list[int]:
    """The time grids around these moments, without those whose share is 0."""
    place = times * (GRIDS - 1)
    return sorted({int(k) for k in torch.cat((place.floor(), place.ceil()))})


def touch_probabilities(rng: torch.Generator) -> Tensor:  # (T,)
    found = torch.zeros(GRIDS)
    for step in range(DRAWS):
        found[touched_by(moments(step, rng))] += 1
    return found / DRAWS


@dataclass
class State:
    """Moments, and the step up to which each grid is."""

    mean: Tensor  # (T, M)
    square: Tensor  # (T, M)
    tv: float  # weight of one squared distance
    count: Tensor = field(default_factory=lambda: torch.zeros(()))
    seen: list[int] = field(default_factory=lambda: [0] * GRIDS)


def dense(values: Tensor, gradient: Tensor, state: State) -> None:
    adam_time_tv(values, gradient, state.mean, state.square, state.count, RULE, state.tv, False)


def at_once(values: Tensor, mean: Tensor, square: Tensor, steps: range) -> None:  # (M,) each
    """Steps without a gradient by the formulas above."""
    pull = 0.0
    for j, step in enumerate(steps, 1):
        pull += _rate(step) * _root(step) * (RULE.beta1 / RULE.beta2**0.5) ** j
    values.addcdiv_(mean, square.sqrt().add_(RULE.eps), value=-pull)
    mean.mul_(RULE.beta1 ** len(steps))
    square.mul_(RULE.beta2 ** len(steps))


def one_by_one(values: Tensor, mean: Tensor, square: Tensor, steps: range) -> None:
    """The same with eps: exact, and as much work as dense Adam."""
    for step in steps:
        mean.mul_(RULE.beta1)
        square.mul_(RULE.beta2)
        values.addcdiv_(mean, square.sqrt().div_(_root(step)).add_(RULE.eps), value=-_rate(step))


def _rate(step: int) -> float:
    return RULE.lr / (1.0 - RULE.beta1**step)


def _root(step: int) -> float:
    return (1.0 - RULE.beta2**step) ** 0.5


def catch_up(values: Tensor, state: State, grids: list[int], missed: Missed) -> None:
    """These grids, up to the last step; what was never touched has no moments and did not move."""
    now = int(state.count)
    for k in grids:
        if 0 < state.seen[k] < now:
            missed(values[k], state.mean[k], state.square[k], range(state.seen[k] + 1, now + 1))
        state.seen[k] = now


def touched_only(values: Tensor, gradient: Tensor, state: State, grids: list[int], often: Tensor) -> None:
    """After catch_up: temporal TV and Adam on these grids alone."""
    for k in grids:
        for other in {max(k - 1, 0), min(k + 1, GRIDS - 1)} - {k}:
            gradient[k].add_(values[k] - values[other], alpha=2.0 * state.tv / float(often[k]))
        gradient[k].clamp_(-RULE.clip, RULE.clip)
    parts = [[part[k] for k in grids] for part in (values, gradient, state.mean, state.square)]
    adam(
        *parts, [], [state.count.clone() for _ in grids], fused=True, amsgrad=False, beta1=RULE.beta1,
        beta2=RULE.beta2, lr=RULE.lr, weight_decay=0.0, eps=RULE.eps, maximize=False,
    )  # fmt: skip
    state.count += 1
    for k in grids:
        state.seen[k] = int(state.count)


def loss_at(moving: Field4D, xyz: Tensor, time: Tensor) -> Tensor:
    """Density and colour against those of a ball that rises by 0.5."""
    density, albedo = moving(xyz, time)
    height = torch.stack((torch.zeros_like(time), 0.5 * time - 0.25, torch.zeros_like(time)), dim=1)
    inside = torch.sigmoid((0.4 - (xyz - height).norm(dim=1)) * 20.0)
    colour = 0.5 + 0.5 * (xyz - height)
    wrong = (-torch.expm1(-0.1 * density) - inside).square() + (inside[:, None] * (albedo - colour)).square().sum(1)
    return wrong.mean()


def points(times: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    time = times.repeat_interleave(-(-POINTS // len(times)))
    return torch.rand(len(time), 3, generator=rng) * 2.0 - 1.0, time


def run(
    start: Field4D, steps: int, tv: float, often: Tensor, seed: int, missed: Missed | None
) -> tuple[Field4D, float]:
    """A field after `steps` steps, dense without a way to make up for missed ones, and the mean seconds an update."""
    moving, rng = start.fork(), torch.Generator().manual_seed(seed)
    values = moving.table.detach().flatten(1)
    share, _ = time_tv_pairs(*start.table.shape[:2], False)
    state = State(torch.zeros_like(values), torch.zeros_like(values), tv * share)
    mlp = torch.optim.Adam(moving.mlp.values(), lr=1e-3, betas=(RULE.beta1, RULE.beta2), eps=RULE.eps, fused=True)
    moving.table.grad, spent, clock = torch.zeros_like(moving.table), [], clock_for("cpu")
    for step in range(steps):
        times = moments(step, rng)
        grids, xyz_time = touched_by(times), points(times, rng)
        began = clock()
        if missed is not None:
            catch_up(values, state, grids, missed)
        spent.append(clock() - began)
        loss_at(moving, *xyz_time).backward()
        began = clock()
        gradient = moving.table.grad.flatten(1)
        if missed is None:
            dense(values, gradient, state)
            gradient.zero_()
        else:
            touched_only(values, gradient, state, grids, often)
            gradient[grids] = 0.0
        spent[-1] += clock() - began
        mlp.step()
        mlp.zero_grad()
    if missed is not None:
        catch_up(values, state, list(range(GRIDS)), missed)
    return moving.at_rest(), statistics.mean(spent)


def seen(moving: Field4D) -> Tensor:
    """Opacity of a step and colour where it counts, at the same 20,000 points and moments."""
    rng = torch.Generator().manual_seed(9)
    xyz, time = torch.rand(20_000, 3, generator=rng) * 2.0 - 1.0, torch.rand(20_000, generator=rng)
    with torch.no_grad():
        density, albedo = moving(xyz, time)
    opacity = -torch.expm1(-0.1 * density)[:, None]
    return torch.cat((opacity, opacity * albedo), dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.touched", description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--tv", type=float, default=0.1, help="weight of temporal TV (released: 0.1)")
    args = parser.parse_args()
    keep_freed_pages()
    rng = torch.Generator().manual_seed(0)
    often = touch_probabilities(rng)
    start = still_ball(rng)
    threads = torch.get_num_threads()
    print(f"{GRIDS} time grids of {start.table[0].numel()} numbers, {args.steps} steps, {threads} threads")
    print(f"a step touches {float(often.sum()):.1f} grids; the rarest is touched by {float(often.min()):.0%} of steps")
    for tv in (0.0, args.tv):
        show(start, args.steps, tv, often)


def still_ball(rng: torch.Generator) -> Field4D:
    """200 steps of the first moment, then the same grid at all times."""
    still = new_field(FIELD, rng).fork()
    optimiser = torch.optim.Adam([still.table, *still.mlp.values()], lr=RULE.lr, fused=True)
    for _ in range(200):
        optimiser.zero_grad()
        loss_at(still, *points(torch.zeros(1), rng)).backward()
        optimiser.step()
    return from_static(replace(still.at_rest(), occupancy=None), GRIDS, 1)


def show(start: Field4D, steps: int, tv: float, often: Tensor) -> None:
    """Differences as shares of what dense Adam changed, in the table and in what is seen."""
    base, seconds = run(start, steps, tv, often, 1, None)
    moved = (base.table - start.table).norm(), (seen(base) - seen(start)).norm()
    others = {
        "touched-only, at once": run(start, steps, tv, often, 1, at_once),
        "touched-only, one by one": run(start, steps, tv, often, 1, one_by_one),
        "dense, other draws": run(start, steps, tv, often, 2, None),
    }
    print(f"\nweight of temporal TV {tv:<4g}{'update, ms':>18}{'loss':>12}{'table differs':>16}{'seen differs':>15}")
    for name, (moving, spent) in {"dense": (base, seconds), **others}.items():
        loss = float(loss_at(moving, *points(torch.linspace(0, 1, 257), torch.Generator().manual_seed(5))))
        apart = (moving.table - base.table).norm() / moved[0], (seen(moving) - seen(base)).norm() / moved[1]
        print(f"  {name:<26}{spent * 1e3:>18.2f}{loss:>12.5f}{float(apart[0]):>15.1%}{float(apart[1]):>15.1%}")


if __name__ == "__main__":
    main()

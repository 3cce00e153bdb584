"""From losses at the pixels to gradients in the field.

The gradient at the pixels comes first. Then rays are rendered again, chunk by chunk with a graph, and the pixels'
gradient is pushed through each: the sum over chunks is exactly the gradient of the whole, so memory is one chunk's."""

from __future__ import annotations

import torch
from torch import Tensor

from ..field.field4d import Field4D
from ..losses import entropy, normal_blur, normal_tv, orientation
from ..render.render import Render, render
from ..render.sample import OccupancyMask
from .config import LossWeights, RenderConfig
from .render_batch import RenderBatch, RenderedImages


def backward(
    field: Field4D,
    shot: RenderBatch,
    space: OccupancyMask,
    config: RenderConfig,  # with a chunk, rays are rendered twice, that many at once
    losses: LossWeights,
    entropy_factor: float,
) -> tuple[dict[str, float], float]:  # losses by name, mean opacity
    """Add the gradient of a shot to the field's tensors."""
    rays = len(shot.rays)
    chunk = config.chunk
    whole = not 0 < chunk < rays
    pieces = [slice(0, rays)] if whole else [slice(i, min(i + chunk, rays)) for i in range(0, rays, chunk)]
    normals = needs_normals(losses)
    with torch.set_grad_enabled(whole):
        renders = [_render(field, shot, space, config, piece, normals) for piece in pieces]
    pixels, gradients, report = pixel_gradients(renders, shot, losses)
    count = max(sum(r.marched for r in renders), 1)
    for piece, seen in zip(pieces, renders, strict=True):
        live = seen if whole else _render(field, shot, space, config, piece, normals)
        extra = sample_terms(live, shot, piece, losses, entropy_factor, count)
        _backward_pixels(live, [None if g is None else g[piece] for g in gradients], extra)
        for name, value in extra.items():
            report[name] = report.get(name, 0.0) + float(value.detach())
    return report, float(pixels.opacity.detach().mean())


def needs_normals(losses: LossWeights) -> bool:
    """Does a regulariser look at normals?"""
    return losses.orientation > 0 or losses.normal_tv > 0 or losses.normal_blur > 0


def _render(
    field: Field4D, shot: RenderBatch, space: OccupancyMask, config: RenderConfig, piece: slice, normals: bool
) -> Render:
    rays, light = shot.rays[piece], None if shot.light is None else shot.light[piece]
    return render(field, rays, space, config.samples, shot.background, shot.shading, light, normals, config.early_stop)


def pixel_gradients(
    renders: list[Render], shot: RenderBatch, losses: LossWeights
) -> tuple[RenderedImages, list[Tensor | None], dict[str, float]]:  # pixels, gradients at image, opacity, depth, normal
    """Let every judge look at the finished pixels, and take their gradient there."""
    columns = zip(*(_layers(r) for r in renders), strict=True)
    flat = [None if column[0] is None else torch.cat(column) for column in columns]
    leaves = [None if v is None else v.detach().requires_grad_(True) for v in flat]
    with torch.enable_grad():
        pixels = RenderedImages(*(None if v is None else _picture(v, shot.size) for v in leaves))
        terms = shot.loss_fn(pixels) | normal_terms(pixels, losses)
    present = [v for v in leaves if v is not None]
    totals: list[Tensor | None] = [None] * len(present)
    report = {}
    for name, term in terms.items():
        gradients = torch.autograd.grad(term, present, allow_unused=True, retain_graph=True)
        totals = [_add(a, b) for a, b in zip(totals, gradients, strict=True)]
        report[name] = _logged_value(name, term, gradients)
    found = iter(totals)
    return pixels, [None if v is None else next(found) for v in leaves], report


def _layers(seen: Render) -> tuple[Tensor | None, ...]:
    """What losses may look at, in the order of Pixels."""
    return seen.image, seen.opacity, seen.depth, seen.normal


def _picture(flat: Tensor, size: int) -> Tensor:  # (F S S, C) -> (F, C, S, S)
    return flat.view(-1, size, size, flat.shape[1]).permute(0, 3, 1, 2)


def _add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _logged_value(name: str, term: Tensor, gradients: tuple[Tensor | None, ...]) -> float:
    """A loss is shown by its value; score distillation, whose value means nothing, by its gradient at the pixels."""
    if not name.startswith("sds"):
        return float(term.detach())
    return float(sum(g.square().sum() for g in gradients if g is not None) ** 0.5)


def normal_terms(pixels: RenderedImages, losses: LossWeights) -> dict[str, Tensor]:
    """Smoothness of the normal image."""
    terms = {}
    if losses.normal_tv > 0 and pixels.normal is not None:
        terms["normal tv"] = losses.normal_tv * normal_tv(pixels.normal)
    if losses.normal_blur > 0 and pixels.normal is not None:
        terms["normal blur"] = losses.normal_blur * normal_blur(pixels.normal)
    return terms


def sample_terms(
    seen: Render, shot: RenderBatch, piece: slice, losses: LossWeights, entropy_factor: float, count: int
) -> dict[str, Tensor]:
    """Regularisers that are means over samples; count is the number of samples of the whole shot."""
    terms = {}
    if losses.entropy > 0:
        terms["entropy"] = losses.entropy * entropy_factor / count * entropy(seen.weights)
    if losses.orientation > 0 and seen.sample_normals is not None:
        directions = shot.rays.directions[piece][seen.samples.ray]
        terms["orientation"] = losses.orientation / count * orientation(seen.weights, seen.sample_normals, directions)
    return terms


def _backward_pixels(seen: Render, gradients: list[Tensor | None], extra: dict[str, Tensor]) -> None:
    """Backward from the pixels and from the regularisers at once."""
    outputs, cotangents = [], []
    for value, gradient in zip(_layers(seen), gradients, strict=True):
        if value is not None and gradient is not None and value.requires_grad:
            outputs.append(value)
            cotangents.append(gradient)
    for value in extra.values():
        if value.requires_grad:
            outputs.append(value)
            cotangents.append(torch.ones_like(value))
    if outputs:
        torch.autograd.backward(outputs, cotangents)


def gradient_norms(
    field: Field4D,
    shot: RenderBatch,
    space: OccupancyMask,
    config: RenderConfig,
    losses: LossWeights,
    entropy_factor: float,
) -> dict[str, float]:
    """How strongly each term of a shot pulls at the field: the norm of its gradient over table and MLP."""
    everything = slice(0, len(shot.rays))
    seen = _render(field, shot, space, config, everything, needs_normals(losses))
    pixels = RenderedImages(*(None if v is None else _picture(v, shot.size) for v in _layers(seen)))
    terms = shot.loss_fn(pixels) | normal_terms(pixels, losses)
    terms |= sample_terms(seen, shot, everything, losses, entropy_factor, max(seen.marched, 1))
    tensors = [field.table, *field.mlp.values()]
    norms = {}
    for name, term in terms.items():
        found = torch.autograd.grad(term, tensors, retain_graph=True, allow_unused=True)
        norms[name] = float(sum(g.square().sum() for g in found if g is not None) ** 0.5)
    return norms

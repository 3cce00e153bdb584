"""From losses at the pixels to gradients in the field.

The gradient at the pixels comes first. Then rays are rendered again, chunk by chunk with a graph, and the pixels'
gradient is passed back through each: the sum over chunks is the whole's gradient exactly, in the memory of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..field.field4d import Field4D
from ..field.occupancy import OccupancyMask
from ..losses import blur, entropy, normal_blur, normal_tv, orientation, pixel_kernel
from ..render.render import Render, render
from ..render.sample import sample_rays
from .config import LossWeights, RenderConfig
from .render_batch import RenderBatch, RenderedImages


@dataclass(frozen=True)
class BatchReport:
    """What a batch did."""

    losses: dict[str, float]  # by name
    pulls: dict[str, float]  # sums of each image loss's |gradient| over the pixels, which do not depend on their number
    opacity: float  # mean


def backward(
    field: Field4D,
    batch: RenderBatch,
    mask: OccupancyMask,
    config: RenderConfig,  # with a chunk, rays are rendered twice, that many at once
    losses: LossWeights,
    entropy_factor: float,
) -> BatchReport:
    """Add the gradient of a batch to the field's tensors."""
    parts = chunks(len(batch.rays), config.chunk)
    whole, normals = len(parts) == 1, needs_normals(losses)
    with torch.set_grad_enabled(whole):
        renders = [render_rays(field, batch, mask, config, rays, normals) for rays in parts]
    images, gradients, losses_by_name, pulls = pixel_gradients(renders, batch, losses, config.pixel_variance)
    n_samples = max(sum(r.n_marched for r in renders), 1)
    for rays, rendered in zip(parts, renders, strict=True):
        with_graph = rendered if whole else render_rays(field, batch, mask, config, rays, normals)
        terms = sample_terms(with_graph, batch.rays.directions[rays], losses, entropy_factor, n_samples)
        _backward_pixels(with_graph, [None if g is None else g[rays] for g in gradients], terms)
        for name, value in terms.items():
            losses_by_name[name] = losses_by_name.get(name, 0.0) + float(value.detach())
    return BatchReport(losses_by_name, pulls, float(images.opacity.detach().mean()))


def needs_normals(losses: LossWeights) -> bool:
    """Does a regulariser use normals?"""
    return losses.orientation > 0 or losses.normal_tv > 0 or losses.normal_blur > 0


def chunks(n_rays: int, size: int) -> list[slice]:
    """Cut rays into parts of a size; 0: all at once."""
    return [slice(i, min(i + (size or n_rays), n_rays)) for i in range(0, n_rays, size or n_rays)]


def render_rays(
    field: Field4D, batch: RenderBatch, mask: OccupancyMask, config: RenderConfig, rays: slice, normals: bool
) -> Render:
    """Render some rays of a batch."""
    light = None if batch.light is None else batch.light[rays]
    return render(  # the samples are no local here: early_stop frees those that it leaves out
        field, sample_rays(batch.rays[rays], mask, config.samples), batch.background, batch.shading, light, normals,
        config.early_stop,
    )


def pixel_gradients(
    renders: list[Render], batch: RenderBatch, losses: LossWeights, pixel_variance: float
) -> tuple[RenderedImages, list[Tensor | None], dict[str, float], dict[str, float]]:  # images, gradients, losses, pulls
    """Evaluate the losses on the finished images, and take their gradient there."""
    columns = zip(*(_layers(r) for r in renders), strict=True)
    flat = [None if column[0] is None else torch.cat(column) for column in columns]
    leaves = [None if v is None else v.detach().requires_grad_(True) for v in flat]
    with torch.enable_grad():
        images, terms = _image_terms(leaves, batch, losses, pixel_variance)
    present = [v for v in leaves if v is not None]
    totals: list[Tensor | None] = [None] * len(present)
    values, pulls = {}, {}
    for name, term in terms.items():
        gradients = torch.autograd.grad(term, present, allow_unused=True, retain_graph=True)
        totals = [_add(a, b) for a, b in zip(totals, gradients, strict=True)]
        norm, pulls[name] = _sizes(gradients)
        # score distillation, whose value means nothing, is logged by its gradient
        values[name] = norm if name.startswith("sds") else float(term.detach())
    remaining = iter(totals)
    return images, [None if v is None else next(remaining) for v in leaves], values, pulls


def _image_terms(
    layers: list[Tensor | None], batch: RenderBatch, losses: LossWeights, pixel_variance: float
) -> tuple[RenderedImages, dict[str, Tensor]]:
    """The flat layers as images, and all losses on them."""
    shape = (-1, batch.size, batch.size)
    images = RenderedImages(*(None if v is None else v.view(*shape, v.shape[1]).permute(0, 3, 1, 2) for v in layers))
    return images, batch.loss_fn(as_pixels(images, pixel_variance)) | normal_terms(images, losses)


def as_pixels(images: RenderedImages, variance: float) -> RenderedImages:
    """Average colour and opacity as pictures' pixels do; the rays went through the centres alone."""
    if variance == 0:
        return images
    kernel = pixel_kernel(variance)
    return replace(images, image=blur(images.image, kernel), opacity=blur(images.opacity, kernel))


def _layers(rendered: Render) -> tuple[Tensor | None, ...]:
    """What losses may use, in the order of RenderedImages."""
    return rendered.image, rendered.opacity, rendered.depth, rendered.normal


def _add(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return b if a is None else a if b is None else a + b


def _sizes(gradients: tuple[Tensor | None, ...]) -> tuple[float, float]:
    """Return the norm and the sum of absolute values, with one wait on a device."""
    present = [g for g in gradients if g is not None]
    if not present:
        return 0.0, 0.0
    flat = torch.cat([g.flatten() for g in present])
    norm, total = torch.stack((flat.square().sum().sqrt(), flat.abs().sum())).tolist()
    return norm, total


def normal_terms(images: RenderedImages, losses: LossWeights) -> dict[str, Tensor]:
    """Smoothness of the normal image."""
    terms = {}
    if losses.normal_tv > 0 and images.normal is not None:
        terms["normal tv"] = losses.normal_tv * normal_tv(images.normal)
    if losses.normal_blur > 0 and images.normal is not None:
        terms["normal blur"] = losses.normal_blur * normal_blur(images.normal)
    return terms


def sample_terms(
    rendered: Render,
    directions: Tensor,  # (R, 3) of the rays that are rendered
    losses: LossWeights,
    entropy_factor: float,
    n_samples: int,  # of the whole batch
) -> dict[str, Tensor]:
    """Regularisers that are means over samples."""
    terms = {}
    if losses.entropy > 0:
        terms["entropy"] = losses.entropy * entropy_factor / n_samples * entropy(rendered.weights)
    if losses.orientation > 0 and rendered.sample_normals is not None:
        along = directions[rendered.samples.ray_indices]
        terms["orientation"] = (
            losses.orientation / n_samples * orientation(rendered.weights, rendered.sample_normals, along)
        )
    return terms


def _backward_pixels(rendered: Render, gradients: list[Tensor | None], terms: dict[str, Tensor]) -> None:
    """Run backward from the pixels and from the regularisers at once."""
    pairs = [(v, g) for v, g in zip(_layers(rendered), gradients, strict=True) if v is not None and g is not None]
    pairs += [(v, torch.ones_like(v)) for v in terms.values()]
    outputs = [(value, gradient) for value, gradient in pairs if value.requires_grad]
    if outputs:
        torch.autograd.backward(*map(list, zip(*outputs, strict=True)))

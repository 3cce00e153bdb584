"""What one step renders, and the losses on its pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import losses
from ..cameras.rig import random_views
from ..priors.noise import draw_timesteps, timestep_range
from ..priors.sds import StillClip, mean_sds_weight, sds
from ..protocols import Cameras, Guidance, Shading, View
from ..reference.reference import ReferenceTargets
from ..render.sample import Rays, camera_rays
from .config import StageConfig
from .schedules import guidance_weights, t_high


@dataclass(frozen=True)
class RenderedImages:
    """Rendered images detached from the field: the leaves at which losses leave their gradient."""

    image: Tensor  # (F, 3, S, S)
    opacity: Tensor  # (F, 1, S, S)
    depth: Tensor  # (F, 1, S, S)
    normal: Tensor | None  # (F, 3, S, S)


LossFn = Callable[[RenderedImages], dict[str, Tensor]]  # images -> weighted scalar losses by name


@dataclass(frozen=True)
class RenderBatch:
    """F images of S x S that are rendered together, and the losses on them."""

    rays: Rays
    size: int
    background: Tensor  # (3,)
    shading: Shading
    light: Tensor | None  # (R, 3) per ray
    loss_fn: LossFn


BatchFn = Callable[[int, torch.Generator], list[RenderBatch]]  # step, random numbers -> what the step renders


def reference_batch(
    camera: Cameras,  # the reference's
    targets: ReferenceTargets,  # at config.render.reference_size
    config: StageConfig,
    rng: torch.Generator,
    device: torch.device,
) -> RenderBatch:
    """Render the reference view at time 0 on white, all rays shifted together (released: std 1e-3)."""
    size = config.render.reference_size
    rays = camera_rays(camera, torch.zeros(1), size, torch.rand(size * size, generator=rng))
    shift = torch.randn(2, 3, generator=rng) * config.reference_jitter
    rays = to_device(Rays(rays.origins + shift[0], rays.directions + shift[1], rays.time, rays.jitter), device)
    weights, mask = config.losses, targets.mask

    def loss_fn(rendered: RenderedImages) -> dict[str, Tensor]:
        terms = {
            "rgb": weights.rgb * losses.rgb(rendered.image, targets.image, (mask > 0.5).to(mask)),
            "mask": weights.mask * losses.mask(rendered.opacity, mask),
        }
        if targets.depth is not None and weights.depth > 0:
            terms["depth"] = weights.depth * losses.depth(rendered.depth, targets.depth, mask)
        return terms

    return RenderBatch(rays, size, torch.ones(3, device=device), Shading(), None, loss_fn)


def novel_batch(view: View, size: int, loss_fn: LossFn, rng: torch.Generator, device: torch.device) -> RenderBatch:
    """Render the view's F cameras at their times, with its background and shading."""
    jitter = torch.rand(len(view.cameras) * size * size, generator=rng)
    rays = to_device(camera_rays(view.cameras, view.time, size, jitter), device)
    light = None
    if view.shading.light is not None:
        light = view.shading.light.to(device)[:, None].expand(-1, size * size, -1).reshape(-1, 3)
    return RenderBatch(rays, size, view.background.to(device), view.shading, light, loss_fn)


def sds_loss(
    guidance: Guidance,
    image: Tensor,  # (F, 3, S, S)
    view: View,
    step: int,
    config: StageConfig,
    rng: torch.Generator,
    still: Tensor | None = None,  # like image: the clip of the still scene, for the guidance's source
) -> Tensor:  # scalar
    """Compute one prior's score distillation: one noise level for all items, fresh noise for each, weighted."""
    prior, source = guidance.prior, None
    if guidance.source is not None and still is not None:  # before the image: a check of the answer looks at the last
        source = StillClip(guidance.source, prior.encode(still).detach())
    x0 = prior.encode(image)
    items = x0.shape[0]
    timestep = draw_timesteps(1, guidance.t_min, t_high(guidance, step, config.steps), prior.sigmas, rng)
    sigma = prior.sigmas[timestep].to(x0).expand(items)
    eps = torch.randn(x0.shape, generator=rng).to(x0)
    weights = guidance_weights(guidance, view.cameras, view.reference)
    weights = weights if len(view.cameras) == items else weights[:1]
    loss = (weights.to(x0) * sds(prior, x0, view, sigma, eps, guidance.form, source)).sum() / items
    return loss if guidance.weight_unit == "raw" else normalisation(guidance, x0[0].numel(), config) * loss


def normalisation(guidance: Guidance, elements: int, config: StageConfig) -> float:
    """Return what turns the sum over an item's elements into the unit "normalised" (protocols.WEIGHT_UNITS), in which
    one weight means the same to every prior, latent size and preset. Without a picture's weight that counts as 1."""
    sigmas = guidance.prior.sigmas
    first, last = timestep_range(guidance.t_min, guidance.t_max, sigmas)
    mean = mean_sds_weight(sigmas[first : last + 1], guidance.form)
    return (config.losses.rgb or 1.0) / (elements * mean)


def allowed_cameras(guidances: Iterable[Guidance | None]) -> Cameras | None:
    """The cameras that every connected prior can judge: the shortest list among them; None if all take any camera."""
    lists = [g.prior.cameras for g in guidances if g is not None and g.prior.cameras is not None]
    return min(lists, key=len) if lists else None


def any_unlit(guidances: Iterable[Guidance | None]) -> bool:
    """Return whether a connected prior knows albedo alone."""
    return any(g.prior.unlit for g in guidances if g is not None)


def novel_cameras(count: int, reference: Cameras, rng: torch.Generator) -> Cameras:
    """Draw random views at the reference camera's distance and field of view, around its azimuth."""
    view = random_views(count, rng, float(reference.radius[0]), float(reference.fovy[0]))
    return Cameras(view.elevation, view.azimuth + reference.azimuth, view.radius, view.fovy)


def to_device(rays: Rays, device: torch.device) -> Rays:
    """Move every tensor of the rays."""
    return Rays(*(tensor.to(device) for tensor in (rays.origins, rays.directions, rays.time, rays.jitter)))

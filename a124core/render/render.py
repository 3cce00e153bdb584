"""Volume rendering: a field's density and colour at the samples of rays, composited to pixels. Differentiable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..field.density import normals_from
from ..kernels import accumulate, render_weights, transmittance
from ..protocols import Field, Shading
from .sample import Samples

MIN_TRANSMITTANCE = 1e-4  # below which a ray ends (release)


@dataclass(frozen=True)
class Render:
    """Pixels of R rays, and what the per-sample regularisers need."""

    image: Tensor  # (R, 3)
    opacity: Tensor  # (R, 1)
    depth: Tensor  # (R, 1) sum of weights times the far end of each step, z-depth, not divided by opacity (release)
    normal: Tensor | None  # (R, 3) sum of weights times (n + 1) / 2, density detached; None without normals
    weights: Tensor  # (N,)
    sample_normals: Tensor | None  # (N, 3)
    samples: Samples
    n_marched: int  # samples before early_stop: what means over samples divide by


def render(
    field: Field,
    samples: Samples,
    background: Tensor,  # (3,)
    shading: Shading,
    light: Tensor | None = None,  # (R, 3) per ray
    normals: bool = False,  # also where shading needs none
    early_stop: bool = False,  # leave out the samples that no light reaches: faster where a backward pass follows
) -> Render:
    """Render R rays: evaluate the field at their samples, shade, composite over the background."""
    n_marched = len(samples)
    if early_stop:
        samples = visible_samples(field, samples)
    density, albedo = field(samples.xyz, samples.time)
    ray_indices, n_rays = samples.ray_indices, samples.n_rays
    weights = render_weights(density, ray_indices, n_rays, samples.step)
    sample_normals = normal = None
    if normals or shading.mode != "albedo":
        sample_normals = normals_from(field.density_gradient(samples.xyz, samples.time))
    colour = shade(albedo, sample_normals, None if light is None else light[ray_indices], shading)
    far = (samples.start + samples.step)[:, None]
    sums = accumulate(weights, torch.cat((colour, torch.ones_like(far), far), dim=1), ray_indices, n_rays)
    if sample_normals is not None:
        normal = accumulate(weights.detach(), 0.5 * (sample_normals + 1.0), ray_indices, n_rays)
    opacity = sums[:, 3:4]
    image = sums[:, :3] + (1.0 - opacity) * background
    return Render(image, opacity, sums[:, 4:5], normal, weights, sample_normals, samples, n_marched)


@torch.no_grad()
def visible_samples(field: Field, samples: Samples) -> Samples:
    """Return the samples that light still reaches: the release ends a ray below a transmittance of 1e-4. Those hidden
    inside an object, most of its samples, then cost one evaluation of the density but no gradient."""
    density, _ = field(samples.xyz, samples.time)
    light = transmittance(density, samples.ray_indices, samples.n_rays, samples.step)
    return samples[light > MIN_TRANSMITTANCE]


def shade(
    albedo: Tensor,  # (N, 3)
    normal: Tensor | None,  # (N, 3), None for mode "albedo"
    light: Tensor | None,  # (N, 3) unit vectors towards the light
    shading: Shading,
) -> Tensor:  # (N, 3)
    """Return the colour of samples by mode, with l = a + (1 - a) max(n . light, 0) (release).

    albedo: albedo; lambertian: albedo l; textureless: l; normal: (n + 1) / 2."""
    if shading.mode == "albedo" or normal is None:
        return albedo
    if shading.mode == "normal":
        return 0.5 * (normal + 1.0)
    facing = torch.ones_like(albedo[:, :1]) if light is None else (normal * light).sum(1, keepdim=True).clamp_min(0.0)
    lit = shading.ambient + (1.0 - shading.ambient) * facing
    return albedo * lit if shading.mode == "lambertian" else lit.expand_as(albedo)

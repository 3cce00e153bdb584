"""Query one prior with noisy images, and compute figures from its outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..protocols import Cameras, Guidance, View

NOISE_LEVELS = (0.2, 0.5, 0.8)  # of the queries, shares of the schedule
PURE_NOISE = 0.98  # the same for queries without an image
CARD_BLOCKS = 8  # random colours along each side of the colour card
RIDGE = 1e-4  # regularisation of the linear preview, relative to the latents' variance


@dataclass(frozen=True)
class ProbeInput:
    """One item that a prior is queried with."""

    label: str
    image: Tensor  # (F, 3, S, S) in [0, 1]; F is 1, or the frames of a clip
    view: View


class Probe:
    """One prior under test; all noise comes from one generator, in the order of the queries."""

    def __init__(
        self, role: str, guidance: Guidance, device: torch.device, seed: int, on_query: Callable[[], None]
    ) -> None:
        self.role, self.guidance, self.prior = role, guidance, guidance.prior
        self.device, self.on_query = device, on_query  # called before every query
        self.rng = torch.Generator().manual_seed(seed)

    def sigma(self, share: float) -> float:
        return float(self.prior.sigmas[min(int(share * len(self.prior.sigmas)), len(self.prior.sigmas) - 1)])

    def encode(self, image: Tensor) -> Tensor:
        return self.prior.encode(image.to(self.device)).detach()

    def noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.rng).to(like)

    def denoise(self, x_t: Tensor, share: float, view: View, guided: bool = True) -> Tensor:
        """Return x0_hat of x_t; guided False turns classifier-free guidance off where the prior has a cfg."""
        return self.denoise_at(x_t, share, view, self.prior.cfg if guided else 1.0)

    def denoise_at(self, x_t: Tensor, share: float, view: View, cfg: float | None) -> Tensor:
        """Return x0_hat of x_t at another cfg, or at the prior's own."""
        self.on_query()
        prior = self.prior if cfg is None or cfg == self.prior.cfg else self.prior.with_cfg(cfg)
        return prior.denoise(x_t, torch.full((x_t.shape[0],), self.sigma(share)).to(x_t), view).detach().float()

    def denoise_noise(self, like: Tensor, view: View, guided: bool = True) -> Tensor:
        """Return x0_hat of pure noise, which is the same noise every time."""
        eps = torch.randn(like.shape, generator=torch.Generator().manual_seed(0)).to(like)
        return self.denoise(self.sigma(PURE_NOISE) * eps, PURE_NOISE, view, guided)

    # Measurements

    def denoised_reference(self, front: ProbeInput) -> tuple[Tensor, Tensor]:
        """Return the encoded front image, and its x0_hat at low noise: an image that the prior finds likely."""
        x0 = self.encode(front.image)
        noisy = x0 + self.sigma(NOISE_LEVELS[0]) * self.noise(x0)
        return x0.float(), self.denoise(noisy, NOISE_LEVELS[0], front.view, guided=False)

    def denoising_response(self, denoised: Tensor, view: View) -> list[tuple[float, float]]:
        """Return the shares of signal and noise left at each level, for an image that the prior finds likely.

        Not for a render: an exact prior replaces a poor render by what it knows, and is right to do so.
        """
        pairs = []
        for share in NOISE_LEVELS:
            eps, sigma = self.noise(denoised), self.sigma(share)
            output = self.denoise(denoised + sigma * eps, share, view, guided=False)
            pairs.append(signal_and_noise(output, denoised, eps, sigma))
        return pairs

    def prompt_sensitivity(self, like: Tensor, view: View) -> float | None:
        """Return the change of denoised noise through guidance, per unit of cfg; None without a cfg to change."""
        cfg = self.prior.cfg
        if cfg is None or abs(cfg - 1.0) < 0.05:
            return None
        guided, unguided = (self.denoise_noise(like, view, guided) for guided in (True, False))
        return rms(guided - unguided) / max(contrast(unguided), 1e-12) / abs(cfg - 1.0)

    def pose_sensitivity(self, like: Tensor, view: View) -> float:
        """Return the change of denoised noise when the camera turns by 60 degrees."""
        outputs = [self.denoise_noise(like, with_azimuth(view, azimuth), guided=False) for azimuth in (0.0, 60.0)]
        return relative_change(*outputs)

    def pose_errors(self, known: ProbeInput) -> list[float]:
        """Return the errors on a known view, conditioned on its camera, on the mirrored and on the opposite one."""
        x0, view, errors = self.encode(known.image), known.view, [0.0, 0.0, 0.0]
        azimuth = float(view.cameras.azimuth[0] - view.reference.azimuth[0])
        for share in NOISE_LEVELS[1:]:
            noisy = x0 + self.sigma(share) * self.noise(x0)
            for k, angle in enumerate((azimuth, -azimuth, azimuth + 180.0)):
                errors[k] += rms(self.denoise(noisy, share, with_azimuth(view, angle), guided=False) - x0)
        return errors

    def condition_sensitivity(self, front: ProbeInput) -> float:
        """Return the change of denoised noise when the image to repair is mirrored, upside down or flat.

        At half time, where scenes that start alike have diverged.
        """
        like = self.encode(front.image)
        image = front.image.to(like.device)
        view = replace(front.view, time=torch.full_like(front.view.time, 0.5))
        first, *others = (
            self.denoise_noise(like, view.with_condition(condition))
            for condition in (image, image.flip(-1), image.flip(-2), torch.full_like(image, 0.5))
        )
        return max(relative_change(first, other) for other in others)


def colour_card(frames: int, size: int) -> Tensor:  # (frames, 3, size, size)
    """Return blocks of random colours: an encoder's statistics on it do not depend on the user's image."""
    colours = torch.rand(1, 3, CARD_BLOCKS, CARD_BLOCKS, generator=torch.Generator().manual_seed(0))
    return interpolate(colours, (size, size), mode="nearest").expand(frames, -1, -1, -1)


class LatentPreview:
    """Latents as an image, by the linear map that fits the prior's encoder best in the least-squares sense."""

    def __init__(self, latents: list[Tensor], images: list[Tensor]) -> None:
        x = torch.cat([_pixel_rows(middle_frame(x0)) for x0 in latents])
        y = torch.cat([_pixel_rows(_matching_frame(image, x0)) for x0, image in zip(latents, images, strict=True)])
        self.mean, self.offset = x.mean(0), y.mean(0)
        x, y = x - self.mean, y - self.offset
        ridge = RIDGE * x.var().clamp(min=1e-12) * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
        self.map = torch.linalg.solve(x.T @ x + ridge, x.T @ y) if x.isfinite().all() else x.new_zeros(x.shape[1], 3)
        self.explained = float(1.0 - (y - x @ self.map).square().sum() / y.square().sum().clamp(min=1e-12))

    def __call__(self, x0: Tensor) -> Tensor:  # -> (1, 3, h, w), not clamped
        latents = middle_frame(x0)
        image = (_pixel_rows(latents) - self.mean) @ self.map + self.offset
        return image.T.reshape(1, 3, *latents.shape[-2:]).float()


def middle_frame(x0: Tensor) -> Tensor:
    """Return (1, C, h, w): an image as it is, or the middle frame of a clip (1, C, f, h, w)."""
    return x0 if x0.ndim == 4 else x0[:, :, x0.shape[2] // 2]


def _matching_frame(image: Tensor, x0: Tensor) -> Tensor:
    """Return the frame of the clip that corresponds to middle_frame(x0), at the size of the latents."""
    share = 0.0 if x0.ndim == 4 or x0.shape[2] < 2 else (x0.shape[2] // 2) / (x0.shape[2] - 1)
    index, size = round(share * (len(image) - 1)), tuple(x0.shape[-2:])
    frame = image[index : index + 1]
    return frame if frame.shape[-2:] == size else interpolate(frame, size, mode="bilinear", antialias=True)


def _pixel_rows(planes: Tensor) -> Tensor:  # (1, C, h, w) -> (h w, C), float64 on the CPU
    return planes[0].detach().double().cpu().flatten(1).T


def rms(x: Tensor) -> float:
    """Return the root mean square."""
    return float(x.float().square().mean().sqrt())


def contrast(x: Tensor) -> float:
    """Return the standard deviation over space (and time), averaged over channels; 0 for a flat colour."""
    return float(x.float().flatten(2).std(dim=2).mean())


def relative_change(a: Tensor, b: Tensor) -> float:
    """Return the RMS difference of two outputs, relative to their contrast."""
    return rms(a - b) / max(contrast(a), contrast(b), 1e-12)


def non_finite_share(x: Tensor) -> float:
    """Return the share of NaN and infinite values."""
    return float((~x.isfinite()).float().mean())


def signal_and_noise(output: Tensor, x0: Tensor, eps: Tensor, sigma: float) -> tuple[float, float]:
    """Return the least-squares fit (s, n) of output = s x0 + n sigma eps, each around its channels' means."""
    y, a, b = ((t - t.flatten(2).mean(2).view(*t.shape[:2], *[1] * (t.ndim - 2))).double().flatten()
               for t in (output, x0, sigma * eps))
    gram = torch.stack([torch.stack([a @ a, a @ b]), torch.stack([a @ b, b @ b])])
    signal, noise = torch.linalg.solve(
        gram + 1e-9 * gram.trace() * torch.eye(2).to(gram), torch.stack([a @ y, b @ y])
    )
    return float(signal), float(noise)


def with_azimuth(view: View, azimuth: float) -> View:
    """Return the same view with another azimuth, in degrees from the reference camera."""
    c = view.cameras
    turned = (view.reference.azimuth + azimuth + 180.0) % 360.0 - 180.0
    return replace(view, cameras=Cameras(c.elevation, turned.expand_as(c.azimuth), c.radius, c.fovy))


def colour_drift(preview: LatentPreview, x0: Tensor, denoised: Tensor, mask: Tensor) -> float:
    """Return the mean change of colour inside the mask (1, 1, h, w), both through the same preview."""
    before, after = preview(x0).clamp(0, 1), preview(denoised).clamp(0, 1)
    inside = interpolate(mask.float().cpu(), before.shape[-2:], mode="area") > 0.5
    if not inside.any():
        return 0.0
    return float((before - after).abs().mean(1, keepdim=True)[inside].mean())

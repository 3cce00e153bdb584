"""Questions to one prior, and the figures read from its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..protocols import Cameras, Guidance, Prior, View

LEVELS = (0.2, 0.5, 0.8)  # noise levels asked at, shares of the schedule
TOP = 0.98  # and for pure noise
CARD_BLOCKS = 8  # the colour card has so many random colours a side
RIDGE = 1e-4  # of the linear preview, relative to the latents' variance


@dataclass(frozen=True)
class Shown:
    """What one item of a prior looks at."""

    label: str
    image: Tensor  # (F, 3, S, S) in [0, 1]; F is 1, or the frames of a clip
    view: View


class Probe:
    """One prior, asked by name of the noise level; noise comes from one generator, in the order of the questions."""

    def __init__(
        self, role: str, guidance: Guidance, device: torch.device, seed: int, on_ask: Callable[[], None] | None = None
    ) -> None:
        self.role, self.guidance, self.prior = role, guidance, guidance.prior
        self.cfg, self.on_ask = self.prior.cfg, on_ask
        self.device, self.rng = device, torch.Generator().manual_seed(seed)

    def sigma(self, share: float) -> float:
        return float(self.prior.sigmas[min(int(share * len(self.prior.sigmas)), len(self.prior.sigmas) - 1)])

    def encode(self, image: Tensor) -> Tensor:
        return self.prior.encode(image.to(self.device)).detach()

    def noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.rng).to(like)

    def ask(self, x_t: Tensor, share: float, view: View, plain: bool = False) -> Tensor:
        """x_t -> x0_hat; plain: without what guidance adds, where the prior has a cfg that can be changed."""
        if self.on_ask is not None:
            self.on_ask()
        prior = self.prior.with_cfg(1.0) if plain else self.prior
        return prior.denoise(x_t, torch.full((x_t.shape[0],), self.sigma(share)).to(x_t), view).detach().float()

    def imagine(self, like: Tensor, view: View, plain: bool = False) -> Tensor:
        """What it makes of pure noise; the same noise every time."""
        eps = torch.randn(like.shape, generator=torch.Generator().manual_seed(0)).to(like)
        return self.ask(self.sigma(TOP) * eps, TOP, view, plain)


def colour_card(frames: int, size: int) -> Tensor:  # (frames, 3, size, size)
    """Blocks of random colours: what an encoder makes of it does not hang on the user's picture."""
    colours = torch.rand(1, 3, CARD_BLOCKS, CARD_BLOCKS, generator=torch.Generator().manual_seed(0))
    return interpolate(colours, (size, size), mode="nearest").expand(frames, -1, -1, -1)


class Preview:
    """Latents as a picture: by the prior's own decode, else by the linear map that suits its encoder best."""

    def __init__(self, prior: Prior, latents: list[Tensor], images: list[Tensor]) -> None:
        x = torch.cat([_columns(middle(x0)) for x0 in latents])
        y = torch.cat([_columns(_middle_frame(image, x0)) for x0, image in zip(latents, images, strict=True)])
        self.mean, self.offset = x.mean(0), y.mean(0)
        x, y = x - self.mean, y - self.offset
        ridge = RIDGE * x.var().clamp(min=1e-12) * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
        self.map = torch.linalg.solve(x.T @ x + ridge, x.T @ y) if x.isfinite().all() else x.new_zeros(x.shape[1], 3)
        self.explained = float(1.0 - (y - x @ self.map).square().sum() / y.square().sum().clamp(min=1e-12))

    def __call__(self, x0: Tensor) -> Tensor:  # -> (1, 3, h, w), not clamped
        latents = middle(x0)
        picture = (_columns(latents) - self.mean) @ self.map + self.offset
        return picture.T.reshape(1, 3, *latents.shape[-2:]).float()


def middle(x0: Tensor) -> Tensor:
    """(1, C, h, w) of a picture, or of the middle frame of a clip (1, C, f, h, w)."""
    return x0 if x0.ndim == 4 else x0[:, :, x0.shape[2] // 2]


def _middle_frame(image: Tensor, x0: Tensor) -> Tensor:
    """The frame of the clip that middle() shows, at the size of the latents."""
    share = 0.0 if x0.ndim == 4 or x0.shape[2] < 2 else (x0.shape[2] // 2) / (x0.shape[2] - 1)
    size = tuple(x0.shape[-2:])
    frame = _at(image, share)
    return frame if frame.shape[-2:] == size else interpolate(frame, size, mode="bilinear", antialias=True)


def _at(frames: Tensor, share: float) -> Tensor:
    index = round(share * (len(frames) - 1))
    return frames[index : index + 1]


def _columns(planes: Tensor) -> Tensor:  # (1, C, h, w) -> (h w, C), float64 on the CPU
    return planes[0].detach().double().cpu().flatten(1).T


def rms(x: Tensor) -> float:
    return float(x.float().square().mean().sqrt())


def contrast(x: Tensor) -> float:
    """Standard deviation over space (and time), averaged over channels: a flat colour has none."""
    return float(x.float().flatten(2).std(dim=2).mean())


def change(a: Tensor, b: Tensor) -> float:
    """How far two answers differ, relative to their contrast."""
    return rms(a - b) / max(contrast(a), contrast(b), 1e-12)


def bad_share(x: Tensor) -> float:
    return float((~x.isfinite()).float().mean())


def kept_and_left(answer: Tensor, x0: Tensor, eps: Tensor, sigma: float) -> tuple[float, float]:
    """Least squares answer = kept x0 + left sigma eps, around each channel's mean."""
    y, a, b = ((t - t.flatten(2).mean(2).view(*t.shape[:2], *[1] * (t.ndim - 2))).double().flatten()
               for t in (answer, x0, sigma * eps))  # fmt: skip
    gram = torch.stack([torch.stack([a @ a, a @ b]), torch.stack([a @ b, b @ b])])
    kept, left = torch.linalg.solve(gram + 1e-9 * gram.trace() * torch.eye(2).to(gram), torch.stack([a @ y, b @ y]))
    return float(kept), float(left)


def belief(probe: Probe, front: Shown) -> tuple[Tensor, Tensor]:
    """The encoded front picture, and what the prior makes of it in little noise: a picture that it believes in."""
    x0 = probe.encode(front.image)
    noisy = x0 + probe.sigma(LEVELS[0]) * probe.noise(x0)
    return x0.float(), probe.ask(noisy, LEVELS[0], front.view, plain=True)


def denoising(probe: Probe, believed: Tensor, view: View) -> tuple[list[float], list[float]]:
    """At each level, what it keeps of a picture that it believes in, and what it leaves of the noise.

    Not of the render: an exact prior answers a poor render with what it knows, and is right.
    """
    pairs = []
    for share in LEVELS:
        eps, sigma = probe.noise(believed), probe.sigma(share)
        answer = probe.ask(believed + sigma * eps, share, view, plain=True)
        pairs.append(kept_and_left(answer, believed, eps, sigma))
    return [kept for kept, _ in pairs], [left for _, left in pairs]


def heard(probe: Probe, like: Tensor, view: View) -> float | None:
    """Change of its imagination with the condition, per unit of cfg; None where it has no cfg to change."""
    if probe.cfg is None or abs(probe.cfg - 1.0) < 0.05:
        return None
    guided, plain = (probe.imagine(like, view, plain) for plain in (False, True))
    return rms(guided - plain) / max(contrast(plain), 1e-12) / abs(probe.cfg - 1.0)


def pose_heard(probe: Probe, like: Tensor, view: View) -> float:
    """Change of its imagination when it is told a camera 60 degrees aside."""
    answers = [probe.imagine(like, told(view, azimuth), plain=True) for azimuth in (0.0, 60.0)]
    return change(*answers)


def pose_errors(probe: Probe, shown: Shown) -> tuple[float, float, float]:
    """How far its answers are from a known view, told its camera, the mirrored one and the opposite one."""
    x0 = probe.encode(shown.image)
    azimuth = float(shown.view.cameras.azimuth[0] - shown.view.reference.azimuth[0])
    errors = [0.0, 0.0, 0.0]
    for share in LEVELS[1:]:
        noisy = x0 + probe.sigma(share) * probe.noise(x0)
        for k, angle in enumerate((azimuth, -azimuth, azimuth + 180.0)):
            errors[k] += rms(probe.ask(noisy, share, told(shown.view, angle), plain=True) - x0)
    return tuple(errors)


def told(view: View, azimuth: float) -> View:
    """The same view, told another azimuth, degrees from the reference camera."""
    c = view.cameras
    turned = (view.reference.azimuth + azimuth + 180.0) % 360.0 - 180.0
    return replace(view, cameras=Cameras(c.elevation, turned.expand_as(c.azimuth), c.radius, c.fovy))


def condition_heard(probe: Probe, front: Shown) -> float:
    """Change of its imagination with another picture to repair: mirrored, upside down, flat. At half time, where
    scenes that start alike have parted."""
    like = probe.encode(front.image)
    picture = front.image.to(like.device)
    view = replace(front.view, time=torch.full_like(front.view.time, 0.5))
    others = (picture.flip(-1), picture.flip(-2), torch.full_like(picture, 0.5))
    first = probe.imagine(like, view.with_condition(picture))
    return max(change(first, probe.imagine(like, view.with_condition(other))) for other in others)


def colour_drift(preview: Preview, x0: Tensor, believed: Tensor, mask: Tensor) -> float:
    """Mean change of colour inside the mask (1, 1, h, w), both seen through the same preview."""
    before, after = preview(x0).clamp(0, 1), preview(believed).clamp(0, 1)
    inside = interpolate(mask.float().cpu(), before.shape[-2:], mode="area") > 0.5
    if not inside.any():
        return 0.0
    return float((before - after).abs().mean(1, keepdim=True)[inside].mean())

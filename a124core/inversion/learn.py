"""A new word for the picture's subject: textual inversion (arXiv 2208.01618), with the release's recipe.

The model comes as two callables, so that this file knows no text encoder and no UNet. Pictures go to encode in [0, 1]
and nowhere else: in the release the augmented branch reached the VAE in the wrong range, which taught half contrast.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ..losses import blur, gaussian_kernel
from ..priors.noise import draw_timesteps
from ..reference.segment import resize
from ..utils.validate import ABOVE_ZERO, ANY, check_range

Encode = Callable[[Tensor], Tensor]  # (B, 3, S, S) in [0, 1] -> x0 (B, ...), no gradient
Denoise = Callable[[Tensor, Tensor, Tensor, list[str]], Tensor]  # x_t, sigma (B,), token (n, d), templates -> x0_hat
Decode = Callable[[Tensor], Tensor]  # x0 -> (B, 3, S, S) in [0, 1]

# Object templates of textual inversion; {} is the new word.
TEMPLATES = tuple(
    f"{text} {{}}"
    for text in (
        "a photo of a", "a rendering of a", "a cropped photo of the", "the photo of a", "a photo of a clean",
        "a photo of a dirty", "a dark photo of the", "a photo of my", "a photo of the cool", "a close-up photo of a",
        "a bright photo of the", "a cropped photo of a", "a photo of the", "a good photo of the", "a photo of one",
        "a close-up photo of the", "a rendition of the", "a photo of the clean", "a rendition of a",
        "a photo of a nice", "a good photo of a", "a photo of the nice", "a photo of the small", "a photo of the weird",
        "a photo of the large", "a photo of a cool", "a photo of a small",
    )
)  # fmt: skip
LUMA = (0.299, 0.587, 0.114)
BLUR_TAPS = 5


@dataclass(frozen=True)
class TokenConfig:
    """Defaults: the authors' textual inversion script."""

    steps: int = 3_000
    batch: int = 16
    chunk: int = 0  # pictures that go through the model with their graph at once; 0: the whole batch
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-2
    eps: float = 1e-8
    size: int = 512  # side of the pictures that are learned
    augment: bool = True
    canvas: float = 640 / 512  # side of the square that crops are taken from, over size
    turn: float = 10.0  # degrees; largest rotation ...
    turn_crop: float = 426 / 640  # ... after which the middle of the canvas is kept, so no corner is empty
    turn_share: float = 0.75
    crop_low: float = 0.85  # share of the area that a random crop keeps; above 1 it is the whole picture
    crop_high: float = 1.15
    jitter: float = 0.04  # brightness, contrast, saturation; hue, in turns
    jitter_share: float = 0.75
    grey_share: float = 0.1
    blur_share: float = 0.1
    blur_low: float = 0.1  # std, pixels
    blur_high: float = 2.0

    def __post_init__(self) -> None:
        check_range(self, 1, ANY, "steps", "batch")
        check_range(self, 0, ANY, "chunk", "weight_decay", "turn", "jitter")
        check_range(self, ABOVE_ZERO, 10, "lr", "eps")
        check_range(self, 0, 1 - 1e-6, "beta1", "beta2")
        check_range(self, 8, 4096, "size")
        check_range(self, 0, 1, "turn_share", "jitter_share", "grey_share", "blur_share")


@dataclass(frozen=True)
class TokenSnapshot:
    """From where learning goes on to the same result."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]

    @property
    def step(self) -> int:
        return int(self.meta["step"])


@dataclass(frozen=True)
class TokenStep:
    """What the caller is told after every step. preview and snapshot cost nothing until they are called."""

    step: int
    steps: int
    loss: float
    preview: Callable[[], Tensor]  # -> (1 or 2, 3, S, S): a training picture, and what the model makes of its noise
    snapshot: Callable[[], TokenSnapshot]


def learn_token(
    picture: Tensor,  # (1, 3, H, W) in [0, 1]
    encode: Encode,
    denoise: Denoise,  # differentiable in the token
    sigmas: Tensor,  # (T,) ascending
    start: Tensor,  # (n, d): the embedding of the word it begins as
    config: TokenConfig,
    seed: int,
    on_step: Callable[[TokenStep], None] | None = None,
    resume: TokenSnapshot | None = None,
    decode: Decode | None = None,  # for the preview
) -> Tensor:  # (n, d) on the CPU
    """The embedding under which the model predicts the picture's noise best: eps-MSE over all timesteps.

    Only the new rows are trained, so nothing else of the vocabulary has to be restored after a step (release).
    A cancel is an exception out of on_step.
    """
    token = start.detach().float().clone().requires_grad_(True)
    adam = torch.optim.AdamW(
        [token], config.lr, (config.beta1, config.beta2), eps=config.eps, weight_decay=config.weight_decay
    )
    rng = torch.Generator().manual_seed(seed)
    done = 0 if resume is None else _restore(resume, token, adam, rng, config, seed, start)
    canvas = _canvas(picture, config)
    for step in range(done + 1, config.steps + 1):
        images = training_pictures(canvas, config, rng)
        templates = [TEMPLATES[i] for i in torch.randint(len(TEMPLATES), (config.batch,), generator=rng).tolist()]
        sigma = sigmas[draw_timesteps(config.batch, 0.0, 1.0, sigmas, rng)]
        adam.zero_grad(set_to_none=True)
        loss, guess = _backward(images, templates, sigma, token, encode, denoise, config, rng)
        if not math.isfinite(loss):
            raise RuntimeError(
                f"textual inversion step {step}: the loss is not a number any more. Learn the word with a lower rate, "
                "or load the model in full precision or bf16."
            )
        adam.step()
        if on_step is not None:
            on_step(_report(step, config, loss, images[:1], guess, token, adam, rng, seed, start, decode))
    return token.detach().cpu()


def _backward(
    images: Tensor, templates: list[str], sigma: Tensor, token: Tensor, encode: Encode, denoise: Denoise,
    config: TokenConfig, rng: torch.Generator,
) -> tuple[float, Tensor]:  # fmt: skip
    """Add the batch's gradient, chunk by chunk: the sum is that of the whole. -> loss, x0_hat of the first picture."""
    count, chunk = len(templates), config.chunk or len(templates)
    total, first = 0.0, None
    for i in range(0, count, chunk):
        part = slice(i, i + chunk)
        with torch.no_grad():
            x0 = encode(images[part])
        s = sigma[part].to(x0).reshape(-1, *[1] * (x0.ndim - 1))
        eps = torch.randn(x0.shape, generator=rng).to(x0)
        guess = denoise(x0 + s * eps, sigma[part].to(x0), token, templates[part])
        error = ((x0 - guess) / s).square().mean() * (len(x0) / count)  # eps_hat - eps = (x0 - x0_hat) / sigma
        error.backward()
        total += float(error.detach())
        first = guess[:1].detach() if first is None else first
    return total, first


def _canvas(picture: Tensor, config: TokenConfig) -> Tensor:  # (1, 3, C, C)
    """The middle square of the picture."""
    height, width = picture.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture.detach().float().cpu()[..., top : top + side, left : left + side]
    target = round(config.size * (config.canvas if config.augment else 1.0))
    return resize(square, (target, target)).clamp(0.0, 1.0)


def training_pictures(canvas: Tensor, config: TokenConfig, rng: torch.Generator) -> Tensor:  # (batch, 3, size, size)
    """Turned, cropped, mirrored, tinted, greyed and blurred at random, in [0, 1]. The same numbers are drawn always."""
    if not config.augment:
        return canvas.expand(config.batch, -1, -1, -1)
    draws = torch.rand(config.batch, 14, generator=rng)
    return torch.cat([_augmented(canvas, config, row.tolist()) for row in draws])


def _augmented(canvas: Tensor, c: TokenConfig, u: list[float]) -> Tensor:
    image = functional.grid_sample(canvas, _crop(c, u[:7]), mode="bilinear", padding_mode="border", align_corners=False)
    if u[7] < c.jitter_share:
        image = _tinted(image, [(2 * v - 1) * c.jitter for v in u[8:12]])
    if u[12] < c.grey_share:
        image = _grey(image).expand(-1, 3, -1, -1)
    if u[13] < c.blur_share:
        std = c.blur_low + (c.blur_high - c.blur_low) * u[13] / max(c.blur_share, 1e-6)
        image = blur(image.mT, gaussian_kernel(BLUR_TAPS, std)).mT  # columns first
    return image.clamp(0.0, 1.0)


def _crop(c: TokenConfig, u: list[float]) -> Tensor:  # (1, size, size, 2) where each pixel is taken from
    """Turn and keep the middle, then a random part of it, then mirror: one affine map, one resampling."""
    turned = u[0] < c.turn_share
    angle = math.radians(c.turn * (2 * u[1] - 1)) if turned else 0.0
    keep = c.turn_crop if turned else 1.0
    area = c.crop_low + (c.crop_high - c.crop_low) * u[2]
    stretch = math.exp((2 * u[3] - 1) * math.log(4 / 3) / 2)  # square root of an aspect ratio in (3/4, 4/3)
    width, height = (min(1.0, math.sqrt(area) * s) for s in (stretch, 1 / stretch))
    x, y = (1 - width) * (2 * u[4] - 1), (1 - height) * (2 * u[5] - 1)
    flip = -1.0 if u[6] < 0.5 else 1.0
    part = torch.tensor([[flip * width, 0.0, x], [0.0, height, y], [0.0, 0.0, 1.0]])
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) * keep
    return functional.affine_grid((turn @ part[:2])[None], [1, 3, c.size, c.size], align_corners=False)


def _tinted(image: Tensor, by: list[float]) -> Tensor:
    """Brightness, contrast, saturation by factors 1 + by; hue turned about the grey axis by a share of a turn."""
    image = image * (1 + by[0])
    mean = _grey(image).mean()
    image = mean + (image - mean) * (1 + by[1])
    grey = _grey(image)
    image = grey + (image - grey) * (1 + by[2])
    cos, sin = math.cos(2 * math.pi * by[3]), math.sin(2 * math.pi * by[3])
    third, cross = (1 - cos) / 3, sin / math.sqrt(3)
    turn = torch.full((3, 3), third) + cos * torch.eye(3)
    turn += cross * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    return torch.einsum("ij,bjhw->bihw", turn, image).clamp(0.0, 1.0)


def _grey(image: Tensor) -> Tensor:  # (B, 1, H, W)
    return (image * image.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def _report(
    step: int, config: TokenConfig, loss: float, image: Tensor, guess: Tensor, token: Tensor, adam: torch.optim.AdamW,
    rng: torch.Generator, seed: int, start: Tensor, decode: Decode | None,
) -> TokenStep:  # fmt: skip
    def preview() -> Tensor:
        if decode is None:
            return image
        seen = decode(guess).detach().float().cpu().clamp(0.0, 1.0)
        return torch.cat((image, resize(seen, image.shape[-2:])))

    state = adam.state[token]
    tensors = {"token": token.detach(), "mean": state["exp_avg"], "square": state["exp_avg_sq"]}
    # a few kilobytes, copied now: a later step that fails half-way has already drawn numbers
    tensors = {name: t.cpu().clone() for name, t in tensors.items()} | {"random": rng.get_state()}

    def snapshot() -> TokenSnapshot:
        return TokenSnapshot(tensors, {"step": step, **_identity(config, seed, start)})

    return TokenStep(step, config.steps, loss, preview, snapshot)


def _identity(config: TokenConfig, seed: int, start: Tensor) -> dict[str, Any]:
    """What an interrupted run shares with the one that continues it; chunk is how to get there, not where."""
    options = {name: value for name, value in asdict(config).items() if name != "chunk"}
    return {"config": options, "seed": seed, "shape": list(start.shape)}


def _restore(
    snapshot: TokenSnapshot, token: Tensor, adam: torch.optim.AdamW, rng: torch.Generator, config: TokenConfig,
    seed: int, start: Tensor,
) -> int:  # fmt: skip
    wanted = _identity(config, seed, start)
    if {name: snapshot.meta.get(name) for name in wanted} != wanted:
        raise ValueError("the snapshot was made with other settings: choose restart, or the settings it was made with.")
    saved = snapshot.tensors
    with torch.no_grad():
        token.copy_(saved["token"])
    adam.state[token] = {
        "step": torch.tensor(float(snapshot.step)),
        "exp_avg": saved["mean"].to(token).clone(),
        "exp_avg_sq": saved["square"].to(token).clone(),
    }
    rng.set_state(saved["random"])
    return snapshot.step

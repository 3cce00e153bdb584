"""One step of each role: draw examples from the album, give the network its conditions, compare its guess.

Every draw comes from the step's own generator, so an interrupted training continues to the same weights.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss

from a124core.priors.view_text import CONTROL_TEXT, DYNAMIC_SUFFIX, SIDES, view_weights
from a124core.protocols import Cameras

from .config import Config, Course
from .words import caption, prompt
from .world import Album

Lesson = Callable[[torch.Generator], Tensor]  # -> loss
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's own
STILL_SHARE = 0.4  # of the image role's pictures that show time 0, where the static stage looks
SIDED_SHARE = 0.7  # of texts that name the side; of the video role all do: from behind, a sway begins on the right
FRONT_SHARE = 0.5  # of the view role's conditions that come from the reference camera
DRIFT_SHARE = 0.75  # of the pictures to be repaired that have the drifted colours
HALF_MOVED = 0.5  # of them that show the subject faintly where it stands at time 0 too, as a field does that half moves
STILL_TEXTS = 0.15  # of the video role's texts that name no motion: the source of motion guidance (priors/sds.py)
HIGH_NOISE = 1 / 3  # of the video role: at low noise a clip says itself how it moves, at high noise the text has to
MOVING = 6.0  # how much more what changes within a clip counts at full noise than what stays (video_loss)
STILL_CLIPS, DOUBLES = 0.4, 0.5  # shares of the unconditional clips that stand still, and that lie over another one
FADED, GAINS = 0.1, 0.3  # least contrast of an unconditional picture, and how far its colours are off


@dataclass(frozen=True)
class Desk:
    """What all lessons share."""

    config: Config
    album: Album
    vae: Any
    tokenizer: Any
    levels: Tensor  # (T,) alpha-bar

    def latents(self, image: Tensor) -> Tensor:  # (B, 3, S, S) in [0, 1] -> (B, 4, S/2, S/2), scaled
        return self.raw_latents(image) * self.vae.config.scaling_factor

    @torch.no_grad()
    def raw_latents(self, image: Tensor) -> Tensor:
        return self.vae.encode(2 * image - 1).latent_dist.mode()

    @property
    def device(self) -> torch.device:
        return self.levels.device

    def read(self, encoder: nn.Module, texts: Sequence[str]) -> Tensor:  # (B, L, d)
        return encoder(self._ids(texts))[0]

    def padding(self, texts: Sequence[str]) -> Tensor:  # (B, L) the tokens behind a text
        return self._ids(texts) == self.tokenizer.eos_token_id

    def _ids(self, texts: Sequence[str]) -> Tensor:
        length = self.tokenizer.model_max_length
        ids = self.tokenizer(list(texts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        return ids.input_ids.to(self.device)

    def noisy(self, x0: Tensor, rng: torch.Generator, power: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
        """-> noisy latents, timesteps (B,), and the v to predict: sqrt(abar) eps - sqrt(1 - abar) x0; a power below 1
        draws high noise more often."""
        timestep = (torch.rand(len(x0), generator=rng) ** power * len(self.levels)).long().to(self.device)
        abar = self.levels[timestep].view(-1, *[1] * (x0.ndim - 1))
        eps = torch.randn(x0.shape, generator=rng).to(self.device)
        return abar.sqrt() * x0 + (1 - abar).sqrt() * eps, timestep, abar.sqrt() * eps - (1 - abar).sqrt() * x0

    def random_rows(self, count: int, rng: torch.Generator) -> Tensor:  # (count, 3) combination, camera, tick
        ends = self.album.layers.shape[:3]
        return torch.stack([torch.randint(end, (count,), generator=rng) for end in ends], 1)

    def grounds(self, count: int, rng: torch.Generator) -> Tensor:  # (count, 3) backgrounds
        return torch.rand(count, 3, generator=rng).to(self.device)

    def condition_mask(self, count: int, rng: torch.Generator) -> Tensor:  # (count,) 0 where the condition is left out
        return (torch.rand(count, generator=rng) >= self.config.condition_dropout).float()

    def scene(self, row: Tensor) -> tuple[str, str]:
        return self.config.world.trained[int(row[0])]


def python_rng(rng: torch.Generator) -> random.Random:
    return random.Random(int(torch.randint(2**31, (), generator=rng)))


def sided_text(
    desk: Desk, encoder: nn.Module, texts: list[str], cameras: Cameras, mask: Tensor, rng: torch.Generator,
    sided: float = SIDED_SHARE,
) -> Tensor:
    """Texts as the guidances blend them by azimuth; a share of them plain; left out where mask is 0."""
    count = len(texts)
    weights = view_weights(cameras.azimuth)
    plain = torch.rand(count, generator=rng) >= sided
    weights = torch.where(plain[:, None], torch.eye(3)[:1], weights)
    prompts = [
        (f"{text}, {side}" if not bare else text) if keep else ""
        for side in SIDES
        for text, bare, keep in zip(texts, plain.tolist(), mask.tolist(), strict=True)
    ]
    sides = desk.read(encoder, prompts).unflatten(0, (3, count))
    return torch.einsum("bs,sb...->b...", weights.to(sides), sides)


def anything(image: Tensor, ground: Tensor, rng: torch.Generator) -> Tensor:  # (B, F, 3, S, S), (B, 3)
    """Make any picture or clip of the ones that are there: what is learned without a condition.

    Faded, recoloured, two over each other, standing still: a model that knows such pictures without the condition, and
    whole ones with it, tells them apart, so that cond - uncond leads from the one to the other. One that never saw
    them takes what it is shown for whole, and classifier-free guidance at any scale keeps it as it is.
    """
    count, frames = image.shape[:2]
    draw = torch.rand(count, 4, generator=rng).to(image)
    others = image[torch.randperm(count, generator=rng)]
    still = image[:, :1].expand(-1, frames, -1, -1, -1)
    image = torch.where((draw[:, 0] < STILL_CLIPS).view(-1, 1, 1, 1, 1), still, image)
    share = torch.where(draw[:, 1] < DOUBLES, draw[:, 2], 1.0).view(-1, 1, 1, 1, 1)
    image = share * image + (1 - share) * others
    gains = (1 + GAINS * (2 * torch.rand(count, 1, 3, 1, 1, generator=rng) - 1)).to(image)
    contrast = (FADED + (1 - FADED) * draw[:, 3]).view(-1, 1, 1, 1, 1)
    ground = ground.view(count, 1, 3, 1, 1)
    return (ground + contrast * (gains * image - ground)).clamp(0, 1)


def learned_from(image: Tensor, ground: Tensor, mask: Tensor, rng: torch.Generator) -> Tensor:
    """The pictures of a batch: as they are with a condition, anything without."""
    clips = image if image.ndim == 5 else image[:, None]
    chosen = torch.where(mask.view(-1, 1, 1, 1, 1).to(image) > 0, clips, anything(clips, ground, rng))
    return chosen if image.ndim == 5 else chosen[:, 0]


def image_lesson(desk: Desk, unet: nn.Module, encoder: nn.Module, course: Course) -> Lesson:
    """Text to picture: both palettes, all moments, all sides."""

    def lesson(rng: torch.Generator) -> Tensor:
        rows = desk.random_rows(course.batch, rng)
        rows[torch.rand(course.batch, generator=rng) < STILL_SHARE, 2] = 0
        drifted = torch.rand(course.batch, generator=rng) < 0.5
        text_rng = python_rng(rng)
        texts = []
        for row, faded in zip(rows, drifted.tolist(), strict=True):
            subject, motion = desk.scene(row)
            texts.append(caption(subject, None if row[2] == 0 else motion, faded, text_rng))
        mask = desk.condition_mask(course.batch, rng)
        embeddings = sided_text(desk, encoder, texts, desk.album.cameras_at(rows), mask, rng)
        ground = desk.grounds(course.batch, rng)
        x0 = desk.latents(learned_from(desk.album.images(rows, drifted, ground), ground, mask, rng))
        x_t, timestep, v = desk.noisy(x0, rng)
        return mse_loss(unet(x_t, timestep, embeddings).sample, v)

    return lesson


def pose_vector(target: Cameras, reference: Cameras) -> Tensor:  # (B, 4)
    """Zero123's: difference of polar angles, sine and cosine of the azimuths', difference of radii; radians.

    Written here a second time, from its definition: a network that learned it finds a wrong sign in the guidance.
    """
    azimuth = torch.deg2rad(target.azimuth - reference.azimuth)
    polar = torch.deg2rad(reference.elevation - target.elevation)
    return torch.stack((polar, azimuth.sin(), azimuth.cos(), target.radius - reference.radius), 1)


def view_lesson(desk: Desk, unet: nn.Module, seer: nn.Module, camera: nn.Module, course: Course) -> Lesson:
    """One picture on white and a pose -> the picture from there, at time 0."""
    mean, std = (torch.tensor(c, device=desk.device).view(3, 1, 1) for c in (CLIP_MEAN, CLIP_STD))

    def lesson(rng: torch.Generator) -> Tensor:
        count = course.batch
        target = desk.random_rows(count, rng)
        target[:, 2] = 0
        source = target.clone()
        source[:, 1] = desk.random_rows(count, rng)[:, 1] * (torch.rand(count, generator=rng) >= FRONT_SHARE)
        drifted = torch.rand(count, generator=rng) < 0.5
        condition = desk.album.images(source, drifted, torch.ones(count, 3, device=desk.device))
        pose = pose_vector(desk.album.cameras_at(target), desk.album.cameras_at(source))
        embeddings = torch.cat((seer((condition - mean) / std).image_embeds, pose.to(desk.device)), 1)
        mask = desk.condition_mask(count, rng).to(desk.device)
        token = camera(embeddings)[:, None] * mask.view(-1, 1, 1)
        concat_latents = desk.raw_latents(condition) * mask.view(-1, 1, 1, 1)  # not scaled, as Zero123 was trained
        ground = desk.grounds(count, rng)
        x0 = desk.latents(learned_from(desk.album.images(target, drifted, ground), ground, mask, rng))
        x_t, timestep, v = desk.noisy(x0, rng)
        return mse_loss(unet(torch.cat((x_t, concat_latents), 1), timestep, token).sample, v)

    return lesson


def video_lesson(desk: Desk, unet: nn.Module, encoder: nn.Module, course: Course) -> Lesson:
    """Text to clip: the drifted colours, a camera that stands still, the first or the last `ticks` moments; where the
    text names no motion, the first moment for all of the clip."""
    ticks = desk.config.world.ticks

    def lesson(rng: torch.Generator) -> Tensor:
        count = course.batch
        rows = desk.random_rows(count, rng)
        first = torch.randint(2, (count,), generator=rng)
        still = torch.rand(count, generator=rng) < STILL_TEXTS
        scenes = [(*desk.scene(row), bool(stands)) for row, stands in zip(rows, still, strict=True)]
        texts = [prompt(subject, None if stands else motion) + DYNAMIC_SUFFIX for subject, motion, stands in scenes]
        mask = desk.condition_mask(count, rng)
        embeddings = sided_text(desk, encoder, texts, desk.album.cameras_at(rows), mask, rng, sided=1.0)
        frames = rows[:, None].repeat(1, ticks, 1)
        frames[..., 2] = (first[:, None] + torch.arange(ticks)) * ~still[:, None]
        ground = desk.grounds(count, rng)
        behind = ground[:, None].expand(-1, ticks, -1).flatten(0, 1)
        clips = desk.album.images(frames.flatten(0, 1), torch.ones(count * ticks, dtype=torch.bool), behind)
        clips = learned_from(clips.unflatten(0, (count, ticks)), ground, mask, rng)
        x0 = desk.latents(clips.flatten(0, 1)).unflatten(0, (count, ticks)).transpose(1, 2)
        x_t, timestep, v = desk.noisy(x0, rng, HIGH_NOISE)
        return video_loss(unet(x_t, timestep, embeddings).sample, v, desk.levels[timestep])

    return lesson


def video_loss(guess: Tensor, v: Tensor, abar: Tensor) -> Tensor:  # (B, c, F, h, w) twice, (B,)
    """Weigh what differs from the clip's mean more, the more so the higher the noise: a head that leans by a pixel is
    a thousandth of the clip, and its direction would never be learned. MotionDirector's appearance-debiased temporal
    loss (arXiv 2310.08465) takes one frame's part away instead."""
    error = guess - v
    moving = (error - error.mean(2, keepdim=True)).square().flatten(1).mean(1)
    return error.square().mean() + (MOVING * (1 - abar) * moving).mean()


def controlnet_lesson(desk: Desk, control: nn.Module, unet: nn.Module, encoder: nn.Module, course: Course) -> Lesson:
    """A blurred picture in doubtful colours, perhaps half moved -> the sharp one in the colours that the text names;
    without a text as doubtful as it is: so cond - uncond repairs."""

    def lesson(rng: torch.Generator) -> Tensor:
        count = course.batch
        rows = desk.random_rows(count, rng)
        drifted = torch.rand(count, generator=rng) < 0.5
        faded = torch.rand(count, generator=rng) < DRIFT_SHARE
        ground = desk.grounds(count, rng)
        text_rng = python_rng(rng)
        texts = [caption(*desk.scene(p), bool(d), text_rng) for p, d in zip(rows, drifted, strict=True)]
        mask = desk.condition_mask(count, rng)
        with torch.no_grad():
            embeddings = sided_text(desk, encoder, texts, desk.album.cameras_at(rows), mask, rng)
            fixed = desk.read(encoder, [CONTROL_TEXT]).expand(count, -1, -1)
        tinted = tint(half_moved(desk, rows, faded, ground, rng), rng)
        right = desk.album.images(rows, drifted, ground)
        target = torch.where(mask.view(-1, 1, 1, 1).to(right) > 0, right, tinted)
        hint = degraded(tinted, rng)
        x_t, timestep, v = desk.noisy(desk.latents(target), rng)
        down, middle = control(x_t, timestep, fixed, controlnet_cond=hint, return_dict=False)
        guess = unet(
            x_t, timestep, embeddings, down_block_additional_residuals=down, mid_block_additional_residual=middle
        ).sample
        return mse_loss(guess, v)

    return lesson


def half_moved(desk: Desk, rows: Tensor, drifted: Tensor, ground: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures of rows, some mixed with the ones at time 0: Coarse fades matter out where it leaves, and in where it
    arrives."""
    moved, still = desk.album.images(rows, drifted, ground), rows * torch.tensor([1, 1, 0])
    share = torch.rand(len(rows), generator=rng) * (torch.rand(len(rows), generator=rng) < HALF_MOVED)
    return torch.lerp(moved, desk.album.images(still, drifted, ground), share.to(moved).view(-1, 1, 1, 1))


def tint(image: Tensor, rng: torch.Generator) -> Tensor:
    """Every colour channel faded on its own."""
    gain = 0.85 + 0.3 * torch.rand(len(image), 3, 1, 1, generator=rng)
    return (image * gain.to(image)).clamp(0, 1)


def degraded(image: Tensor, rng: torch.Generator) -> Tensor:
    """Reduced to between a quarter and all of the side, and enlarged again."""
    count, side = len(image), image.shape[-1]
    small = (side * (0.25 + 0.75 * torch.rand(count, generator=rng))).round().int().tolist()
    blurred = [
        interpolate(interpolate(one, (s, s), mode="area"), (side, side), mode="bilinear", align_corners=False)
        for one, s in zip(image.split(1), small, strict=True)
    ]
    return torch.cat(blurred)

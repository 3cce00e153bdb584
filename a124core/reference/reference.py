"""From an image, its mask and perhaps its depth to the Reference that every stage is optimised towards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..cameras.rig import reference_camera
from ..protocols import Cameras
from .framing import framing_notes
from .layers import fill_outwards, pad_to_square, resize
from .segment import LARGEST_SUBJECT, certain_pixels, fit_to_image, segment_subject

WHITE = (1.0, 1.0, 1.0)
LARGEST = 1024  # side of the working square; the largest image the authors ship (release)
SMALLEST = 16  # pixels; a shorter side cannot show a subject
SMALLEST_SUBJECT = 0.002  # share of the square that the subject must cover
MARGIN = 0.2  # border ratio of optional recentring (threestudio extension's function default)


@dataclass(frozen=True)
class ReferenceTargets:
    """A reference at one size on one device: the targets of renders from its camera."""

    image: Tensor  # (1, 3, size, size), on white
    mask: Tensor  # (1, 1, size, size)
    depth: Tensor | None  # (1, 1, size, size)


@dataclass(frozen=True)
class Reference:
    """The subject, cut out, on a square canvas, and the camera it was taken from."""

    image: Tensor  # (1, 3, S, S) in [0, 1]; outside the mask the subject's edge colours run on
    mask: Tensor  # (1, 1, S, S) in [0, 1], soft, 1 = subject
    depth: Tensor | None  # (1, 1, S, S) in [0, 1] inside the mask, near = bright, 0 outside
    camera: Cameras  # 1 camera
    note: str  # one sentence: decisions and conversions

    def at(self, size: int, device: torch.device | str) -> ReferenceTargets:
        """Return image on white, mask and depth at a size on a device; a stage calls this once."""
        depth = self.depth_at(size)
        image, mask = self.composite(size).to(device), self.mask_at(size).to(device)
        return ReferenceTargets(image, mask, None if depth is None else depth.to(device))

    def composite(self, size: int, background: tuple[float, float, float] = WHITE) -> Tensor:  # (1, 3, size, size)
        """Put the subject over a colour; colours are averaged by their coverage, so no old background bleeds in."""
        behind = torch.tensor(background, dtype=self.image.dtype, device=self.image.device).view(1, 3, 1, 1)
        return resize(self.image * self.mask, (size, size)) + (1.0 - self.mask_at(size)) * behind

    def mask_at(self, size: int) -> Tensor:  # (1, 1, size, size)
        """Return the share of every pixel that the subject covers."""
        return resize(self.mask, (size, size))

    def depth_at(self, size: int) -> Tensor | None:  # (1, 1, size, size)
        """Return the depth averaged over the covered part of every pixel; None without depth."""
        if self.depth is None:
            return None
        return resize(self.depth * self.mask, (size, size)) / self.mask_at(size).clamp(min=1e-6)


def camera_of(reference: Reference | None) -> Cameras:
    """Return the camera the reference image was taken from; the usual one without a reference."""
    return reference_camera() if reference is None else reference.camera


def make_reference(
    image: Tensor,  # (1, 3, H, W) or (1, 4, H, W) with alpha, in [0, 1]
    mask: Tensor | None = None,  # (1, 1, h, w) in [0, 1]
    alpha: Tensor | None = None,  # (1, 1, H, W) in [0, 1], 1 = opaque
    depth: Tensor | None = None,  # (1, 1 or 3, h, w) in [0, 1], near = bright
    mask_marks: str = "auto",  # what 1 means in the mask: "auto", "subject" or "background"
    recentre: bool = False,  # frame the subject in the middle, at 1 - MARGIN of the canvas
    camera: Cameras | None = None,  # 1, which the image was taken from; None: reference_camera()
) -> Reference:
    """Find the subject, pad to a centred square with zeros (release), and note the decisions."""
    camera = reference_camera() if camera is None else camera
    image, alpha, notes = _check_image(image, alpha)
    mask = None if mask is None else _layer(mask, "mask")
    subject, pure_edges, method = segment_subject(image, mask, alpha, mask_marks)
    _check_mask(subject)
    image_mask = subject
    depth, depth_notes = _normalised_depth(depth, image, subject)
    notes += depth_notes
    layers = pad_to_square(torch.cat([image, subject] + ([] if depth is None else [depth]), dim=1))
    if recentre:
        layers = _recentred(layers)
        notes.append("recentred")
    if layers.shape[-1] > LARGEST:
        notes.append(f"reduced from {layers.shape[-1]} to {LARGEST} pixels a side")
        layers = _reduced(layers, (LARGEST, LARGEST))
    subject = layers[:, 3:4]
    share = _check_share(subject)
    notes += framing_notes(image_mask, subject, share, recentre)
    note = "; ".join([f"The subject covers {100 * share:.0f} % of the square image, {method}", *notes]) + "."
    known = certain_pixels(subject, pure_edges)
    known = known if known.any() else (subject >= subject.max()).float()
    colours = fill_outwards(layers[:, :3], known)
    return Reference(colours, subject, None if depth is None else layers[:, 4:5], camera, note)


def _check_image(image: Tensor, alpha: Tensor | None) -> tuple[Tensor, Tensor | None, list[str]]:
    """Return a clean (1, 3, H, W), its alpha, and notes of conversions."""
    notes = []
    if image.ndim != 4 or image.shape[1] not in (1, 3, 4):
        raise ValueError(f"the image has shape {tuple(image.shape)}: give (1, 3, height, width).")
    if image.shape[0] == 0:
        raise ValueError("the batch of images is empty: give one image.")
    if image.shape[0] > 1:
        notes.append(f"the first of {image.shape[0]} images was taken")
    height, width = image.shape[-2:]
    if min(height, width) < SMALLEST:
        raise ValueError(
            f"the image is {width}x{height} pixels: it needs at least {SMALLEST} a side (512 or more is best)."
        )
    if image.shape[1] == 1:
        notes.append("grey image")
    image = image[:1].detach().float().cpu()
    if not image.isfinite().all():
        raise ValueError("the image contains NaN or infinite values: load it again, or check the node before.")
    if image.shape[1] == 4:
        image, alpha = image[:, :3], image[:, 3:]
    image = image.expand(-1, 3, -1, -1).clamp(0.0, 1.0)
    alpha = None if alpha is None else fit_to_image(_layer(alpha, "alpha channel"), image, "alpha channel")
    if max(height, width) <= LARGEST:
        return image, alpha, notes
    scale = LARGEST / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    layers = _reduced(torch.cat((image, torch.ones_like(image[:, :1]) if alpha is None else alpha), dim=1), size)
    notes.append(f"reduced from {width}x{height} to {size[1]}x{size[0]} pixels")
    return layers[:, :3], None if alpha is None else layers[:, 3:4], notes


def _layer(layer: Tensor, name: str) -> Tensor:  # -> (1, 1, h, w)
    """Return the first mask or depth map of a batch, one channel, in [0, 1]."""
    if layer.ndim == 3:
        layer = layer[:, None]
    if layer.ndim != 4 or 0 in layer.shape:
        raise ValueError(f"the {name} has shape {tuple(layer.shape)}: give (1, 1, height, width).")
    layer = layer[:1].detach().float().cpu().mean(dim=1, keepdim=True)
    if not layer.isfinite().all():
        raise ValueError(f"the {name} contains NaN or infinite values: make it again, or leave it out.")
    return layer.clamp(0.0, 1.0)


def _normalised_depth(depth: Tensor | None, image: Tensor, subject: Tensor) -> tuple[Tensor | None, list[str]]:
    """Normalise depth to [0, 1] inside the subject, 0 outside (release), with notes."""
    if depth is None:
        return None, []
    first = _layer(depth, "depth map")
    note = [] if first.shape[-2:] == image.shape[-2:] else ["depth resized"]
    fitted = fit_to_image(first, image, "depth map")
    inside = subject > 0.5
    if not inside.any() or fitted[inside].max() - fitted[inside].min() < 1e-4:
        return None, ["the depth map is flat inside the subject and was left out"]
    low, high = fitted[inside].min(), fitted[inside].max()
    return ((fitted - low) / (high - low)).clamp(0.0, 1.0) * inside, note


def _recentred(layers: Tensor) -> Tensor:
    """Crop the square around the subject's box, with a margin; outside the old canvas it is zero."""
    rows, columns = (torch.nonzero((layers[0, 3] > 0.5).any(dim=d)).flatten() for d in (1, 0))
    if not len(rows):
        return layers
    ends = [(int(line[0]), int(line[-1]) + 1) for line in (columns, rows)]
    side = round(max(b - a for a, b in ends) / (1.0 - MARGIN))
    pad = []
    for (a, b), length in zip(ends, (layers.shape[-1], layers.shape[-2]), strict=True):
        start = (a + b - side) // 2
        pad += [-start, start + side - length]  # a negative pad crops
    return torch.nn.functional.pad(layers, pad)


def _reduced(layers: Tensor, size: tuple[int, int]) -> Tensor:
    """Reduce layers; layer 3 is coverage, the others are averaged by it."""
    subject = resize(layers[:, 3:4], size)
    others = torch.cat((layers[:, :3], layers[:, 4:]), dim=1) * layers[:, 3:4]
    others = resize(others, size) / subject.clamp(min=1e-6)
    return torch.cat((others[:, :3], subject, others[:, 3:]), dim=1)


def _check_mask(subject: Tensor) -> None:
    """Refuse a mask that separates nothing."""
    share = float((subject > 0.5).float().mean())
    if share == 0.0:
        raise ValueError(
            "the mask is empty, nothing in the image is a subject: give a mask that marks the subject; if yours "
            "marks the background, set mask_marks the other way."
        )
    if share > LARGEST_SUBJECT:
        raise ValueError("the mask is full, it leaves no background: mark the subject alone, with space around it.")


def _check_share(subject: Tensor) -> float:
    """Return the subject's share of the square, or refuse one that is too small."""
    share = float((subject > 0.5).float().mean())
    if share < SMALLEST_SUBJECT:
        raise ValueError(
            f"the subject covers {100 * share:.2f} % of the image, at least {100 * SMALLEST_SUBJECT:g} % is needed: "
            "crop the image closer, or switch recentring on."
        )
    return share

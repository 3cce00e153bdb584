"""The right answer, which only a built-in prior has: the subject in the reference colours under the wanted motion."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...protocols import Cameras
from .motions import move
from .scenes import STILL, Look, draw, gain_of, turned_to_subject

DRAWN_SIZE = 256  # pixels a side at which small pictures are drawn before they are averaged
PATH_SPACING = 0.02  # world units between the points that measure the path
PATH_TRAVEL = 0.03  # world units; a motion whose middle moves less than this has no path worth a figure
TURNS = ("spin", "twist")  # their middle moves only as far as the subject is lopsided


@dataclass(frozen=True)
class Truth:
    """Right-coloured pictures at any camera, time and size."""

    look: Look
    azimuth: float  # degrees; where the subject's front looks: the reference camera's azimuth

    @property
    def subject(self) -> str:
        return self.look.subject.name

    @property
    def motion(self) -> str:
        return self.look.motion

    @property
    def motion_has_path(self) -> bool:
        """Does the middle of the subject travel? (It does not in a spin.)"""
        if self.motion in TURNS:
            return False
        path = self.path(torch.linspace(0, 1, 33))
        return bool((path - path[:1]).norm(dim=1).max() > PATH_TRAVEL)

    def render(
        self,
        cameras: Cameras,
        time: Tensor,
        size: int,
        background: tuple[float, float, float] | Tensor = (1.0, 1.0, 1.0),
    ) -> tuple[Tensor, Tensor]:  # (B, 3, size, size) in [0, 1], (B, 1, size, size)
        """Photographs over a background colour, and their masks. Small ones are averaged from larger ones: one drawn
        at 48 px is itself 31 dB from its ideal, and nothing could be graded better than that."""
        time = torch.as_tensor(time, dtype=torch.float32).cpu().expand(len(cameras))
        fold = max(1, round(DRAWN_SIZE / size))
        layers = avg_pool2d(draw(self.look, turned_to_subject(cameras, self.azimuth), time, fold * size), fold)
        behind = torch.as_tensor(background, dtype=torch.float32).cpu().view(3, 1, 1)
        return layers[:, :3] + (1 - layers[:, 3:]) * behind, layers[:, 3:]

    def path(self, times: Tensor) -> Tensor:  # (T, 3) world
        """Mean of the subject's surface at each time."""
        times = torch.as_tensor(times, dtype=torch.float32).cpu()
        subject = self.look.subject
        s = subject.surfels(PATH_SPACING)
        gain = gain_of(subject, self.motion) if self.motion != STILL else 1.0
        x, y, z = move(self.motion, s.points, s.normals, s.limb, times, subject.frame, gain).points.mean(1).unbind(1)
        a = torch.tensor(self.azimuth * pi / 180)
        return torch.stack((a.cos() * x + a.sin() * z, y, a.cos() * z - a.sin() * x), 1)

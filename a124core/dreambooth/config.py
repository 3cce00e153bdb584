"""Options of DreamBooth with a LoRA, with the origin of each default."""

from __future__ import annotations

from dataclasses import dataclass

from ..utils.validate import ABOVE_ZERO, ANY, check_range, checked_prompt


@dataclass(frozen=True)
class DreamBoothConfig:
    """Defaults: diffusers' LoRA script for DreamBooth, where the line says nothing else."""

    instance_prompt: str  # of the subject, with a rare word in it: "a photo of sks robot" (DreamBooth, section 3.2)
    class_prompt: str = ""  # of its class, "a photo of a robot"; needed with class images and with a strength above 0
    steps: int = 500  # of the script's LoRA example
    rank: int = 4
    batch: int = 1  # of instance images, and as many class images
    chunk: int = 0  # images of one forward and backward pass; 0: all at once
    lr: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-2
    eps: float = 1e-8
    max_norm: float = 1.0  # of the gradient, clipped
    class_weight: float = 1.0  # lambda of prior preservation (DreamBooth, eq. 2); 0: none
    class_images: int = 100
    size: int = 512  # side of the training images
    strength: float = 0.4  # noise on renderings before they are denoised, as a share of the schedule: inside the
    # usual 0.3 .. 0.6 (SDEdit, arXiv 2108.01073, section 3); 0: renderings stay as they are
    sampling_steps: int = 50  # of Euler's method, as the script's pipeline
    cfg: float = 7.5  # as the script's pipeline
    reference_share: float = 0.5  # ours: of draws that take the picture, where there are renderings beside it
    side_share: float = 0.5  # ours: of draws whose prompt names the side

    def __post_init__(self) -> None:
        checked_prompt(self.instance_prompt)
        check_range(self, 1, ANY, "steps", "rank", "batch", "class_images", "sampling_steps")
        check_range(self, 0, ANY, "chunk", "weight_decay", "class_weight")
        check_range(self, ABOVE_ZERO, 10, "lr", "eps")
        check_range(self, ABOVE_ZERO, ANY, "max_norm")
        check_range(self, 0, 1 - 1e-6, "beta1", "beta2")
        check_range(self, 8, 4096, "size")
        check_range(self, 0, 1, "strength", "reference_share", "side_share")
        check_range(self, 1, 1000, "cfg")
        if self.class_weight > 0:
            self.check_class_prompt("prior preservation")

    def check_class_prompt(self, use: str) -> None:
        """Refuse to go on without a text for what the model knows already."""
        if not self.class_prompt.strip():
            raise ValueError(
                f"{use} needs a class prompt: say what kind of thing it is, as in 'a photo of a robot', or set the "
                "class weight and the strength of repairs to 0."
            )

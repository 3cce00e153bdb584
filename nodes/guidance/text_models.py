"""2 Priors: the host's MODELs that read a prompt, as the priors of single renders, of clips and of single frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ...a124core.priors.defaults import NORMALISED
from ...a124core.priors.flow import advice
from ...a124core.protocols import Guidance, Prior
from ...a124core.utils.validate import checked_prompt
from .. import sockets
from ..declarations import NODE_ID, Node, integer, outputs, socket
from ..host import ui
from ..host.prior import image_prior, refine_prior, still_prior, upscale_prior, video_prior
from ..host.runtime import outside_inference
from ..queued import when_queued
from .widgets import calibrate, cfg, check_noise, models, noise, prompt, size, still_prompt, weight, weight_unit


class TextGuidance(Node):
    """A MODEL, its CLIP and VAE and a prompt as a guidance."""

    CATEGORY = "Animate124/2 Priors"
    FUNCTION = "make"
    HIDDEN = NODE_ID
    role: ClassVar[str] = "refine"
    prior: ClassVar[Callable[..., Prior]]  # of make's wires, prompt, cfg and size, and of a node's other inputs
    form = "eps"  # of score distillation
    note = "{prompt}"

    @classmethod
    def VALIDATE_INPUTS(
        cls, prompt: str | None = None, t_min: float | None = None, t_max: float | None = None
    ) -> bool:
        with when_queued():
            if prompt is not None:
                checked_prompt(prompt)
            check_noise(cls, t_min, t_max)
        return True

    @outside_inference
    def make(
        self, model: Any, clip: Any, vae: Any, prompt: str,
        cfg: float, weight: float, t_min: float, t_max: float, size: int, weight_unit: str = "raw",
        calibrate: bool = False, still_prompt: str = "", unique_id: str | None = None, **others: Any,
    ) -> dict[str, Any]:
        prior = self.prior(model, clip, vae, checked_prompt(prompt), cfg, size, **others)
        note = self.note.format(prompt=prompt.strip())
        options = {"form": self.form, "note": note, "weight_unit": weight_unit, "calibrate": calibrate}
        if still_prompt.strip():
            options["source"] = still_prior(prior, clip, still_prompt)
        guidance = Guidance(prior, weight, t_min, t_max, **options)
        text = " ".join(advice(self.role, guidance))
        ui.show_text(unique_id, text)
        return ui.output(text, guidance)


@outputs(("image guidance", sockets.IMAGE_GUIDANCE, "Matches single renders to the prompt. For the static stage."))
class A124ImageGuidance(TextGuidance):
    """Any checkpoint as the image prior of the static stage."""

    DESCRIPTION = (
        "A text-to-image model (SD 1.5 in the paper) guides each new view by the prompt. LoRAs and patches of the "
        "wired MODEL take effect."
    )
    SEARCH_ALIASES = ["animate124 image guidance", "score distillation", "SDS", "DreamFusion", "stable diffusion", "4D"]
    role = "image"
    prior = staticmethod(image_prior)
    note = "{prompt} (any MODEL)"
    REQUIRED = {
        **models("A text-to-image MODEL, with its LoRAs: SD 1.5, SD 2, SDXL, SD 3, Qwen-Image ..."),
        "prompt": prompt("a high-resolution DSLR image of a panda", (
            "What is in the image, standing still. ', 8k, good quality' and the side of the view (front, side or back "
            "view) are added, as in the authors' code."
        )),
        "cfg": cfg(101.0),
        "weight": weight(0.025, (
            "Weight of this guidance. 0.025 goes with the presets draft and released, 1 with paper."
        )),
        **noise(0.2, 0.6),
        "size": size(512),
    }
    OPTIONAL = {"weight_unit": weight_unit(f"{NORMALISED['image']} is usual"), "calibrate": calibrate()}


@outputs(("video guidance", sockets.VIDEO_GUIDANCE, (
    "Matches the motion of clips to the prompt. For the coarse and the fine stage."
)))
class A124VideoGuidance(TextGuidance):
    """ModelScope, or a native video MODEL, as the video prior of the moving stages."""

    DESCRIPTION = (
        "A text-to-video model guides whole clips by the prompt: it decides how the scene moves. ModelScope in the "
        "paper (its loader is in this pack), or a text-to-video MODEL of ComfyUI's own loaders, such as Wan 2.1."
    )
    SEARCH_ALIASES = ["animate124 video guidance", "ModelScope", "Wan", "text to video", "score distillation", "4D"]
    role = "video"
    prior = staticmethod(video_prior)
    REQUIRED = {
        **models("ModelScope from this pack's loader, or a text-to-video MODEL of ComfyUI's own loaders (Wan)."),
        "prompt": prompt("a panda is dancing", (
            "What happens. ', high-resolution, 8k, good quality' is added, as in the authors' code."
        )),
        "cfg": cfg(101.0),
        "weight": weight(1.0, "Weight of this guidance. 1 in the paper and in the authors' code."),
        **noise(0.02, 0.98),
        "size": size(256),
    }
    OPTIONAL = {"weight_unit": weight_unit(f"{NORMALISED['video']} is usual"), "calibrate": calibrate(),
                "still_prompt": still_prompt()}


@outputs(("refine guidance", sockets.REFINE_GUIDANCE, "Restores the details of your picture. For the fine stage."))
class A124RefineGuidance(TextGuidance):
    """Any checkpoint, with a learned embedding and a tile ControlNet, as the refinement prior of the fine stage."""

    DESCRIPTION = (
        "Repairs the drift of the video model: a text-to-image model that knows your subject by a learned embedding, "
        "tied to the coarse result by a tile ControlNet. Without the ControlNet it is the paper's naive personalised "
        "prior."
    )
    SEARCH_ALIASES = ["animate124 refine guidance", "ControlNet tile", "textual inversion", "score distillation", "4D"]
    prior = staticmethod(refine_prior)
    form = "clean"
    REQUIRED = {
        **models("A text-to-image MODEL, with its LoRAs: SD 1.5 in the paper."),
        "prompt": prompt("a panda is dancing", (
            "The prompt, best with your subject's embedding in it: 'a embedding:name is dancing'. ', high-resolution, "
            "8k, good quality' is added, as in the authors' code."
        )),
        "cfg": cfg(8.5, "The 7.5 of the authors' code is 8.5 in ComfyUI's form; the paper prints 7.5."),
        "weight": weight(1.0, "Weight of this guidance. 1 in the paper and in the authors' code."),
        **noise(0.2, 0.8),
        "size": size(1024),
    }
    OPTIONAL = {
        "control_net": socket("CONTROL_NET", (
            "A tile ControlNet of the MODEL's family (control_v11f1e_sd15_tile). It gets renders of the frozen coarse "
            "result. Leave it out for the paper's naive personalised prior."
        )),
        "weight_unit": weight_unit(f"{NORMALISED['refine']} is usual"),
        "calibrate": calibrate(),
    }


@outputs(("refine guidance", sockets.REFINE_GUIDANCE, "Sharpens the frames. For the fine stage."))
class A124UpscaleGuidance(TextGuidance):
    """The SD x4 upscaler as the refinement prior of the fine stage, the paper's alternative to a ControlNet."""

    DESCRIPTION = (
        "Sharpens frames with the SD x4 upscaler. It does not use your picture, so it also sharpens what is wrong; the "
        "paper shows it as the weaker choice beside the tile ControlNet."
    )
    SEARCH_ALIASES = ["animate124 upscale guidance", "x4 upscaler", "super resolution", "score distillation", "4D"]
    prior = staticmethod(upscale_prior)
    form = "clean"
    REQUIRED = {
        **models("The SD x4 upscaler (x4-upscaler-ema)."),
        "prompt": prompt("a panda is dancing", (
            "What is in the frames. ', high-resolution, 8k, good quality' is added."
        )),
        "cfg": cfg(9.0, "The upscaler's own default; the paper prints none."),
        "weight": weight(1.0, "Weight of this guidance. 1, as the tile ControlNet's."),
        **noise(0.2, 0.8, "as for the tile ControlNet, for the paper prints none"),
        "size": size(512, "is four times the render of the authors' code"),
        "noise_level": integer(20, 0, 350, (
            "Noise level of the low-resolution image that it enlarges: more leaves it more freedom. 20 is the "
            "upscaler's own default."
        )),
    }
    OPTIONAL = {"weight_unit": weight_unit(f"{NORMALISED['upscale']} is usual"), "calibrate": calibrate()}

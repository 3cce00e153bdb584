"""2 Priors: DreamBooth, a LoRA of the picture's subject for the MODEL of the refine guidance."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from ...a124core.dreambooth.config import DreamBoothConfig
from ...a124core.dreambooth.learn import learn_lora
from ...a124core.dreambooth.subject import cut_out, subject_of, with_renderings
from ...a124core.inversion.steps import LearnRun
from ...a124core.priors.latents import check_image_size
from .. import sockets
from ..declarations import RUN_ID, Node, choice, field, integer, number, outputs, socket, text
from ..host import ui
from ..host.cache_key import cache_key
from ..host.dreambooth import lora_model, with_lora
from ..host.images import from_images
from ..host.memory import host_device
from ..host.runtime import outside_inference
from ..optimize.progress import NodeProgress
from ..queued import check_declared, when_queued
from .learned_files import LORA, learned_path
from .learning import learned, memory_advice


@outputs(
    ("model", "MODEL", "The MODEL with the LoRA, for the refine guidance."),
    ("lora", "STRING", "The LoRA's file, as Load LoRA lists it."),
)
class A124DreamBooth(Node):
    """Learns a LoRA from one picture, and from renderings of a static scene."""

    DESCRIPTION = (
        "Learns exactly your subject as a LoRA of the MODEL, from the picture and, if a scene is wired, from its "
        "renderings, which the MODEL repairs first. Write the instance prompt's rare word in the prompt of the refine "
        "guidance. It takes more memory than textual inversion and holds more of the subject."
    )
    CATEGORY = "Animate124/2 Priors"
    SEARCH_ALIASES = ["animate124 lora", "4D", "DreamBooth", "LoRA", "personalise", "train", "DreamCraft3D"]
    FUNCTION = "learn"
    HAS_INTERMEDIATE_OUTPUT = True
    HIDDEN = RUN_ID
    REQUIRED = {
        "model": socket("MODEL", "An SD 1.5 or SD 2 checkpoint, the one of the refine guidance."),
        "clip": socket("CLIP", "The CLIP of the same checkpoint."),
        "vae": socket("VAE", "The VAE of the same checkpoint."),
        "reference": socket(sockets.REFERENCE, "The picture to learn; its cut-out, over plain colours."),
        "instance_prompt": text("a photo of sks toy", (
            "Your subject with a rare word in it, which is to mean this subject: 'a photo of sks robot'."
        )),
        "class_prompt": text("a photo of a toy", (
            "The same without the rare word: the MODEL makes images of it before it learns, and goes on making them."
        )),
        "name": text("my_subject", "The LoRA's name: letters, digits, - and _. The file goes to models/loras."),
        "steps": integer(500, 1, 100_000, "Training steps. 500 in diffusers' example."),
        "class_images": integer(100, 1, 1000, (
            "Images of the class prompt that the MODEL makes before the first step. 100 in diffusers' script; each "
            "takes as long as an image of 50 sampling steps."
        )),
        "rank": integer(4, 1, 320, "Rows of the LoRA's matrices: more hold more detail, in a larger file. 4 to 32."),
        "batch": integer(1, 1, 64, "Images of the subject in one step, and as many of the class.", advanced=True),
        "chunk": integer(1, 1, 128, (
            "Images that run through the model at once. Fewer need less memory and take longer."
        ), advanced=True),
        "rate": number(1e-4, 1e-6, 1.0, 1e-6, (
            "Learning rate. 0.0001 in diffusers' script."
        ), round=False, advanced=True),
        "class_weight": number(1.0, 0.0, 100.0, 0.1, (
            "Weight of prior preservation, which keeps what the class prompt means. 1 in DreamBooth; 0: none, and no "
            "images of the class."
        ), advanced=True),
        "size": integer(512, 64, 1024, "Side of the training images: 512 for SD 1.5.", step=64, advanced=True),
        "views": integer(8, 1, 64, "Renderings of the wired scene, from evenly around.", advanced=True),
        "strength": number(0.4, 0.0, 1.0, 0.05, (
            "Noise that is added to a rendering before the MODEL denoises it, as a share of its schedule: more repairs "
            "more and invents more. 0: renderings as they are."
        ), advanced=True),
        "seed": integer(0, 0, 2**32 - 1, "Same seed, threads and backend, same LoRA.", control_after_generate=False),
        "resume": choice(["auto", "restart"], (
            "auto: resume an interrupted run with the same inputs, or take its finished LoRA. restart: begin again."
        )),
    }
    OPTIONAL = {
        "field": field("A static scene whose renderings from around are learned beside the picture."),
        "picture": socket("IMAGE", "The raw picture, with its background, to learn from in place of the cut-out."),
    }

    @classmethod
    def VALIDATE_INPUTS(
        cls, name: str | None = None, size: int | None = None, instance_prompt: str | None = None,
        class_prompt: str | None = None, class_weight: float | None = None,
    ) -> bool:
        with when_queued():
            check_declared(cls, size=size, class_weight=class_weight)
            if size is not None:
                check_image_size(size)
            if name is not None:
                learned_path(LORA, name, None)
            if None not in (instance_prompt, class_prompt, class_weight):
                DreamBoothConfig(instance_prompt, class_prompt, class_weight=class_weight)
        return True

    @outside_inference
    def learn(
        self, model: Any, clip: Any, vae: Any, reference: Any, instance_prompt: str, class_prompt: str, name: str,
        steps: int, class_images: int, rank: int, batch: int, chunk: int, rate: float, class_weight: float, size: int,
        views: int, strength: float, seed: int, resume: str, field: Any = None, picture: Tensor | None = None,
        graph: Any = None, unique_id: str | None = None,
    ) -> dict[str, Any]:
        check_image_size(size)
        config = DreamBoothConfig(
            instance_prompt.strip(), class_prompt.strip(), steps, rank, batch, chunk, rate, class_weight=class_weight,
            class_images=class_images, size=size, strength=strength,
        )
        image = cut_out(reference) if picture is None else from_images(picture, 1)[0]
        inputs = {"config": replace(config, chunk=0), "seed": seed, "views": views, "picture": image}
        run = cache_key(graph, unique_id, "lora", reference, {**inputs, "models": (model, clip, vae, field)})
        restart = resume == "restart"
        path = learned_path(LORA, name, None if restart else run)

        def learn(copies: Any, how: LearnRun) -> dict[str, Tensor]:
            made, subject = ui.progress_callback(unique_id), subject_of(image, size)
            if field is not None:
                subject = with_renderings(subject, field, reference, views, host_device(), made)
            return learn_lora(subject, copies, config, how, made)

        build = partial(lora_model, model, clip, vae, rank, host_device())
        notes = {"instance_prompt": config.instance_prompt, "steps": str(steps)}
        begin = partial(NodeProgress, "lora", steps, node_id=unique_id)
        advice = memory_advice("DreamBooth", chunk)
        _, problem = learned(LORA, run, restart, build, learn, path, notes, begin, seed, advice)
        summary = f"{path.name} is in {path.parent.name}: write {config.instance_prompt!r} in prompts."
        result = (with_lora(model, path), path.name)
        return ui.output(f"{summary}\n{problem}" if problem else summary, *result)

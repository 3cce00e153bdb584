"""A124PriorCheck over the host's MODELs with random weights: it asks them all, and lets go of them.

Run by the host's Python: prior_check_checks.py COMFYUI_PATH MODELS.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import native_checks as base  # noqa: E402

sys.path.remove(str(HERE))

import torch  # noqa: E402


def reference():
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = ((y - 31.5) ** 2 + (x - 31.5) ** 2 < 20**2).float()[None]
    image = torch.stack([disc, 0.5 * disc, 0.2 * disc], dim=-1)
    with torch.inference_mode():
        return base.PACK["A124Reference"]().make(
            image=image, mask=1.0 - disc, mask_marks="auto", recentre=False, elevation=0.0, azimuth=0.0, radius=1.8,
            fovy=40.0,
        )["result"][0]  # fmt: skip


def asked(**wires):
    with torch.inference_mode():
        sheet, report = base.PACK["A124PriorCheck"]().check(64, "", **wires)["result"]
    return {"report": report, "height": sheet.shape[1], "finite": bool(sheet.isfinite().all())}


def check_image():
    wires = {"model": base.SD15.model, "clip": base.SD15.clip, "vae": base.SD15.vae, "prompt": "a fox", "size": 64}
    made = {cfg: base.guidance("A124ImageGuidance", **wires, cfg=cfg) for cfg in (101.0, 1.0)}
    picture = reference()
    found = {f"cfg {cfg:g}": asked(reference=picture, image_guidance=g) for cfg, g in made.items()}
    return found | {"open": made[101.0].prior.scorer.net is not None, "cfg": made[101.0].prior.scorer.cfg}


def check_view():
    zero, picture = base.checkpoint("tiny_zero123", vision=True), reference()
    made = base.guidance(
        "A124ViewGuidance", model=zero.model, clip_vision=zero.vision, vae=zero.vae, size=64, reference=picture
    )
    return asked(reference=picture, view_guidance=made) | {"open": made.prior.scorer.net is not None}


if __name__ == "__main__":
    base.main(globals())

"""A124PriorCheck over the host's MODELs with random weights: it queries them all and closes them.

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


def run_node(**wires):
    with torch.inference_mode():
        sheet, report, curve = base.PACK["A124PriorCheck"]().check(64, "", **wires)["result"]
    finite = bool(sheet.isfinite().all() and curve.isfinite().all())
    return {"report": report, "height": sheet.shape[1], "finite": finite}


def check_image():
    wires = {"model": base.SD15.model, "clip": base.SD15.clip, "vae": base.SD15.vae, "prompt": "a fox", "size": 64}
    guidances = {cfg: base.guidance("A124ImageGuidance", **wires, cfg=cfg) for cfg in (101.0, 1.0)}
    reference = base.disc_reference()
    results = {f"cfg {cfg:g}": run_node(reference=reference, image_guidance=g) for cfg, g in guidances.items()}
    denoiser = guidances[101.0].prior.denoiser
    return results | {"open": denoiser.inner_model is not None, "cfg": denoiser.cfg}


def check_view():
    zero, reference = base.checkpoint("tiny_zero123", vision=True), base.disc_reference()
    guidance = base.guidance(
        "A124ViewGuidance", model=zero.model, clip_vision=zero.vision, vae=zero.vae, size=64, reference=reference
    )
    result = run_node(reference=reference, view_guidance=guidance)
    return result | {"open": guidance.prior.denoiser.inner_model is not None}


def check_calibrated():
    """The curve of a MODEL that nothing has opened before, and what is left open after it."""
    calibrate, memory = base.part("a124core.prior_check.calibrate"), base.part("nodes.host.memory")
    views, protocols = base.part("a124core.prior_check.views"), base.part("a124core.protocols")
    wires = {"model": base.SD15.model, "clip": base.SD15.clip, "vae": base.SD15.vae, "prompt": "a fox", "size": 64}
    image = base.guidance("A124ImageGuidance", **wires, cfg=7.5, calibrate=True)
    guidances, calls = protocols.Guidances(image=image), []
    with memory.loaded_models(guidances):
        scene = views.ProbeViews(base.disc_reference(), None, 64)
        chosen = calibrate.calibrate(guidances, scene, on_progress=lambda *call: calls.append(call))
    after = chosen.apply(guidances).image.prior
    return {
        "queries": len(calls), "notes": chosen.notes, "open": image.prior.denoiser.inner_model is not None,
        "open after": after.denoiser.inner_model is not None, "cfg": image.prior.cfg, "chosen": after.cfg,
    }


if __name__ == "__main__":
    base.main(globals())

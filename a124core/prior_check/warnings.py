"""From measured figures to a sentence that says what may be wired wrongly and what to do, or to None.

The thresholds tolerate what correct priors do: an exact one snaps to the images it knows, a learned one blurs, and
guidance at scale 101 saturates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAX_BORDER, MAX_COVERAGE = 0.5, 0.9  # shares of the image's border, and of the image, that a subject may cover
MAX_VALUE = 6e4  # float16 ends at 65504
CFG_RANGE = {"image": (2.0, 300.0), "view": (1.0, 30.0), "video": (2.0, 300.0), "refine": (1.5, 100.0)}
CFG_METHOD = {"image": 101, "view": 5, "video": 101, "refine": 8.5}
POSE_ADVANTAGE = 1.2  # another pose must fit better by this factor
NAIVE = (
    "The refine guidance has no ControlNet, so it does not see the image that it repairs: the paper's naive "
    "personalised prior."
)
RIGHT_VAE = "Wire the VAE of the MODEL's own checkpoint."
RIGHT_LOADER = "Use the loader (or ModelSamplingDiscrete setting) that belongs to this file."


@dataclass(frozen=True)
class Limits:
    """The range of a figure, and the warning outside it: a format of the role, the figure, the figure in percent and
    the method's cfg."""

    warning: str
    low: float = -math.inf
    high: float = math.inf


LIMITS = {
    # share of the front render that the field covers, relative to the reference image's
    "coverage": Limits(
        "The field is empty from the front: run the static stage again, or wire the field that you meant.", low=0.02
    ),
    # intersection over union of the silhouettes of field and reference image
    "overlap": Limits(
        "Field and image do not belong together: from the reference camera their outlines overlap by only "
        "{percent:.0f} %. Wire the image that the field was made from, or give the static stage more steps.", low=0.3
    ),
    # standard deviation of the encoded colour card: SD's scale factors aim at 1; the built-in priors have 1.7
    "latent std": Limits(
        "The {role} guidance's VAE looks wrong: its latents have a standard deviation of {value:.2g} where about 1 is "
        f"usual. {RIGHT_VAE}", low=0.3, high=3.5
    ),
    # share of the images' variance that a linear map of the latents explains; a VAE's is about 0.7
    "explained": Limits(
        "The {role} guidance's VAE looks wrong: its latents contain hardly anything of the image ({percent:.0f} %). "
        f"{RIGHT_VAE}", low=0.15
    ),
    # contrast of an output, relative to its nearly clean input
    "contrast": Limits(
        "The {role} guidance's output is flat: it turns a nearly clean image into a single colour. The file is not a "
        "model of this kind, or it is damaged: load another.", low=0.02
    ),
    # contrast of an output, relative to the image in the noise: least squares shrinks. A v model read as eps amplifies
    # the signal by 1 + sigma^2 / sqrt(1 + sigma^2)
    "largest signal": Limits(
        "The {role} guidance is the wrong kind of model: its output has {value:.1f} times the contrast of the image in "
        f"the noise, as when a v-prediction model is read as eps. {RIGHT_LOADER}", high=1.5
    ),
    # share of the noise in an output: a least-squares estimate never contains it negated, an eps model read as v does
    "least noise": Limits(
        "The {role} guidance is the wrong kind of model: its output contains the noise negated ({value:.2f}), as when "
        f"an eps model is read as v-prediction. {RIGHT_LOADER}", low=-0.06
    ),
    # the same at high noise: a model that gets a wrong timestep leaves the noise
    "noise left": Limits(
        "The {role} guidance does not denoise: {percent:.0f} % of the noise is left at high noise. It is the wrong "
        f"kind of model, or it gets the wrong timestep. {RIGHT_LOADER}", high=0.5
    ),
    # contrast of a guided output at medium noise, relative to the image's
    "saturation": Limits(
        "The {role} guidance saturates: its output has {value:.0f} times the contrast of the image. Lower its cfg; the "
        "method uses {method:g} for a learned model.", high=25.0
    ),
    "exact cfg": Limits(
        "cfg {value:g} of the {role} guidance is far off: a built-in prior is made for 1 to 3.", high=20.0
    ),
    # change of denoised pure noise through guidance, per unit of cfg, relative: float16 alone stays below
    "prompt": Limits(
        "The {role} guidance ignores its prompt: its output is the same with and without it. Write a prompt, and wire "
        "the CLIP of the MODEL's own checkpoint.", low=1e-3
    ),
    "view prompt": Limits(
        "The {role} guidance ignores its image: its output is the same with and without it. Write a prompt, and wire "
        "the CLIP_VISION of the MODEL's own checkpoint.", low=1e-3
    ),
    # change of denoised pure noise with another pose, or another image to repair, relative
    "pose": Limits(
        "The view guidance ignores the camera: its output is the same for the front and for the side. Wire a Zero123 "
        "or Stable-Zero123 checkpoint.", low=1e-4
    ),
    "condition": Limits(
        "The refine guidance ignores the image that it repairs: wire a tile ControlNet of its MODEL's family.", low=1e-4
    ),
    # mean change of the subject's colours when the reference image is denoised from low noise
    "view drift": Limits(
        "The {role} guidance knows another subject: denoising your image changes the subject's colours by "
        "{percent:.0f} %. Wire the reference of this image into the view guidance.", high=0.15
    ),
    "refine drift": Limits(
        "The {role} guidance knows another subject: denoising your image changes the subject's colours by "
        "{percent:.0f} %. Put the learned embedding of this image into its prompt.", high=0.09
    ),
}


def outside_limits(role: str, name: str, value: float) -> str | None:
    """Check a figure against the limits of its name, of this role's own where it has them."""
    limits = LIMITS.get(f"{role} {name}") or LIMITS.get(name)
    if limits is None or limits.low <= value <= limits.high:
        return None
    return limits.warning.format(role=role, value=value, percent=100 * value, method=CFG_METHOD.get(role))


def mask_inverted(border: float, coverage: float) -> str | None:
    """Check the shares of the border and of the whole image that the mask calls subject."""
    if border <= MAX_BORDER and coverage <= MAX_COVERAGE:
        return None
    return (
        f"The mask looks inverted: the subject covers {100 * border:.0f} % of the image's border and "
        f"{100 * coverage:.0f} % of the image. Set mask_marks in 1 Picture the other way, or to auto."
    )


def shape_mismatch(role: str, latents: tuple[int, ...], output: tuple[int, ...]) -> str | None:
    """Compare the shapes of the noisy latents and of the output."""
    if latents == output:
        return None
    return (
        f"The {role} guidance turns latents of shape {latents} into {output}: the VAE is not the MODEL's. {RIGHT_VAE}"
    )


def not_finite(role: str, bad: float, largest: float, sigma: float) -> str | None:
    """Check the share of NaN and infinite values in the worst output, and the largest finite one, both at sigma."""
    if bad == 0.0 and largest < MAX_VALUE:
        return None
    if bad == 0.0:
        return (
            f"The {role} guidance outputs values up to {largest:.2g} at noise {sigma:.2g}: it overflows in half "
            "precision. Load the MODEL in bf16 or fp32, or take another VAE (fp16-fix)."
        )
    return (
        f"The {role} guidance outputs NaN or infinite values ({100 * bad:.0f} % of them at noise {sigma:.2g}): load "
        "the MODEL and the VAE in bf16 or fp32; if that does not help, the file is damaged."
    )


def wrong_prediction_type(role: str, signal: Sequence[float], noise: Sequence[float]) -> str | None:
    """Check the shares of signal and noise in the outputs at low, medium and high noise."""
    figures = {"largest signal": max(signal), "least noise": min(noise), "noise left": noise[-1]}
    return next(filter(None, (outside_limits(role, name, value) for name, value in figures.items())), None)


def cfg_out_of_range(role: str, cfg: float | None, exact: bool, saturation: float) -> str | None:
    """Check the guidance scale or, where the prior does not have one, the contrast of its output at medium noise."""
    if cfg is None:
        return outside_limits(role, "saturation", saturation)
    if exact:
        return outside_limits(role, "exact cfg", cfg)
    low, high = CFG_RANGE[role]
    if low < cfg <= high:  # such a scale may saturate
        return None
    advice = "Raise it, or nothing takes shape." if cfg <= low else "Lower it, or the result over-saturates."
    return f"cfg {cfg:g} of the {role} guidance is far off: the method uses {CFG_METHOD[role]:g}. {advice}"



def pose_wrong(error: float, mirrored: float, opposite: float) -> str | None:
    """Check the errors on a known view under its own camera, its mirror image and the opposite camera."""
    best = min(mirrored, opposite)
    if error <= POSE_ADVANTAGE * best:
        return None
    fault, camera = ("mirrored", "mirrored") if mirrored <= opposite else ("turned to the opposite side", "opposite")
    return (
        f"The view guidance's pose is {fault}: with the {camera} camera its error is {error / max(best, 1e-9):.1f} "
        "times smaller. If the field is right, choose the kind (zero123, stable-zero123) that the file is, and check "
        "the image's azimuth in 1 Picture."
    )


def embedding_missing(prompt: str, embedding: str) -> str | None:
    """Look for the learned embedding in the refine guidance's prompt."""
    name = embedding.strip().removeprefix("embedding:")
    if not name or f"embedding:{name}".lower() in prompt.lower():
        return None
    return (
        f"The learned embedding is missing: the refine guidance's prompt does not contain embedding:{name}. Put it in "
        "the place of the subject, and wire the CLIP of Textual inversion."
    )


def no_effect(role: str, weight: float, t_max: float) -> str | None:
    """Check a guidance's weight and highest noise."""
    if weight > 0.0 and t_max >= 0.05:
        return None
    reason = "its weight is 0" if weight <= 0.0 else f"it draws next to no noise (t_max {t_max:g})"
    return f"The {role} guidance has no effect: {reason}. Use the method's number, or unplug it."

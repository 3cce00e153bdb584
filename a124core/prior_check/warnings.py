"""From measured figures to a sentence that says what may be wired wrongly and what to do, or to None.

The thresholds tolerate what correct priors do: an exact one snaps to the images it knows, a learned one blurs, and
guidance at scale 101 saturates.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_BORDER, MAX_COVERAGE = 0.5, 0.9  # shares of the image's border, and of the image, that a subject may cover
MIN_OVERLAP = 0.3  # of the silhouettes of field and reference image
MIN_COVERAGE = 0.02  # share of the front render that a subject covers at least, relative to the reference image's
LATENT_STD = (0.3, 3.5)  # of the encoded colour card. SD's scale factors aim at 1; the built-in priors have 1.7
MIN_EXPLAINED = 0.15  # share of the images' variance that a linear map of the latents explains; a VAE's is about 0.7
MAX_VALUE = 6e4  # float16 ends at 65504
MIN_CONTRAST = 0.02  # of an output, relative to its input
MAX_SIGNAL = 1.5  # contrast of an output, relative to the image in the noise: least squares shrinks
MAX_NOISE = 0.5  # share of the noise left in an output at high noise
MIN_NOISE = -0.06  # the same; a least-squares estimate never contains the negated noise
MAX_SATURATION = 25.0  # contrast of a guided output at medium noise, relative to the image's
CFG_RANGE = {"image": (2.0, 300.0), "view": (1.0, 30.0), "video": (2.0, 300.0), "refine": (1.5, 100.0)}
CFG_METHOD = {"image": 101, "view": 5, "video": 101, "refine": 8.5}
CFG_EXACT = 20.0  # exact priors are made for 1 to 3
MIN_PROMPT_CHANGE = 1e-3  # of an output per unit of cfg, relative: float16 alone stays below
MIN_CHANGE = 1e-4  # of an output with another pose or image to repair, relative
POSE_ADVANTAGE = 1.2  # another pose must fit better by this factor
DRIFT = {"view": 0.15, "refine": 0.09}  # mean change of the subject's colours at low noise
NAIVE = (
    "The refine guidance has no ControlNet, so it does not see the image that it repairs: the paper's naive "
    "personalised prior."
)


def mask_inverted(border: float, coverage: float) -> str | None:
    """Judge the shares of the border and of the whole image that the mask calls subject."""
    if border <= MAX_BORDER and coverage <= MAX_COVERAGE:
        return None
    return (
        f"The mask looks inverted: the subject covers {100 * border:.0f} % of the image's border and "
        f"{100 * coverage:.0f} % of the image. Set mask_marks in 1 Picture the other way, or to auto."
    )


def field_empty(coverage: float, expected: float) -> str | None:
    """Judge the shares of the front view that the render and the reference image's subject cover."""
    if coverage >= MIN_COVERAGE * expected:
        return None
    return "The field is empty from the front: run the static stage again, or wire the field that you meant."


def field_mismatch(overlap: float) -> str | None:
    """Judge the intersection over union of the silhouettes of field and image, from the reference camera."""
    if overlap >= MIN_OVERLAP:
        return None
    return (
        f"Field and image do not belong together: from the reference camera their outlines overlap by only "
        f"{100 * overlap:.0f} %. Wire the image that the field was made from, or give the static stage more steps."
    )


def latents_out_of_scale(role: str, std: float) -> str | None:
    """Judge the standard deviation of an encoded colour card."""
    low, high = LATENT_STD
    if low <= std <= high:
        return None
    return (
        f"The {role} guidance's VAE looks wrong: its latents have a standard deviation of {std:.2g} where about 1 is "
        "usual. Wire the VAE of the MODEL's own checkpoint."
    )


def latents_uninformative(role: str, explained: float) -> str | None:
    """Judge the share of the images' variance that a linear map of the latents explains."""
    if explained >= MIN_EXPLAINED:
        return None
    return (
        f"The {role} guidance's VAE looks wrong: its latents contain hardly anything of the image "
        f"({100 * explained:.0f} %). Wire the VAE of the MODEL's own checkpoint."
    )


def shape_mismatch(role: str, latents: tuple[int, ...], output: tuple[int, ...]) -> str | None:
    """Compare the shapes of the noisy latents and of the output."""
    if latents == output:
        return None
    return (
        f"The {role} guidance turns latents of shape {latents} into {output}: the VAE is not the MODEL's. Wire the VAE "
        "of the MODEL's own checkpoint."
    )


def not_finite(role: str, bad: float, largest: float, sigma: float) -> str | None:
    """Judge the share of NaN and infinite values in the worst output, and the largest finite one, both at sigma."""
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


def flat_output(role: str, contrast: float) -> str | None:
    """Judge the contrast of the output for a nearly clean image, relative to that image's."""
    if contrast >= MIN_CONTRAST:
        return None
    return (
        f"The {role} guidance's output is flat: it turns a nearly clean image into a single colour. The file is not a "
        "model of this kind, or it is damaged: load another."
    )


def wrong_prediction_type(role: str, signal: Sequence[float], noise: Sequence[float]) -> str | None:
    """Judge the shares of signal and noise in the outputs at low, medium and high noise.

    A v model read as eps amplifies the signal by 1 + sigma^2 / sqrt(1 + sigma^2); an eps model read as v leaves a part
    of the noise, negated; one that gets a wrong timestep leaves the noise.
    """
    advice = "Use the loader (or ModelSamplingDiscrete setting) that belongs to this file."
    if max(signal) > MAX_SIGNAL:
        return (
            f"The {role} guidance is the wrong kind of model: its output has {max(signal):.1f} times the contrast of "
            f"the image in the noise, as when a v-prediction model is read as eps. {advice}"
        )
    if min(noise) < MIN_NOISE:
        return (
            f"The {role} guidance is the wrong kind of model: its output contains the noise negated "
            f"({min(noise):.2f}), as when an eps model is read as v-prediction. {advice}"
        )
    if noise[-1] > MAX_NOISE:
        return (
            f"The {role} guidance does not denoise: {100 * noise[-1]:.0f} % of the noise is left at high noise. It is "
            f"the wrong kind of model, or it gets the wrong timestep. {advice}"
        )
    return None


def cfg_out_of_range(role: str, cfg: float | None, exact: bool, saturation: float) -> str | None:
    """Judge the guidance scale or, where the prior does not have one, the contrast of its output at medium noise."""
    if cfg is None:
        if saturation <= MAX_SATURATION:
            return None
        return (
            f"The {role} guidance saturates: its output has {saturation:.0f} times the contrast of the image. Lower "
            f"its cfg; the method uses {CFG_METHOD[role]:g} for a learned model."
        )
    if exact:
        if cfg <= CFG_EXACT:
            return None
        return f"cfg {cfg:g} of the {role} guidance is far off: a built-in prior is made for 1 to 3."
    low, high = CFG_RANGE[role]
    if low < cfg <= high:  # such a scale may saturate
        return None
    advice = "Raise it, or nothing takes shape." if cfg <= low else "Lower it, or the result over-saturates."
    return f"cfg {cfg:g} of the {role} guidance is far off: the method uses {CFG_METHOD[role]:g}. {advice}"


def prompt_ignored(role: str, change: float) -> str | None:
    """Judge the change of denoised pure noise with guidance on, per unit of cfg."""
    if change >= MIN_PROMPT_CHANGE:
        return None
    condition, wire = ("image", "CLIP_VISION") if role == "view" else ("prompt", "CLIP")
    return (
        f"The {role} guidance ignores its {condition}: its output is the same with and without it. Write a prompt, and "
        f"wire the {wire} of the MODEL's own checkpoint."
    )


def pose_ignored(change: float) -> str | None:
    """Judge the change of denoised pure noise with another camera."""
    if change >= MIN_CHANGE:
        return None
    return (
        "The view guidance ignores the camera: its output is the same for the front and for the side. Wire a Zero123 "
        "or Stable-Zero123 checkpoint."
    )


def pose_wrong(error: float, mirrored: float, opposite: float) -> str | None:
    """Judge the errors on a known view under its own camera, its mirror image and the opposite camera."""
    best = min(mirrored, opposite)
    if error <= POSE_ADVANTAGE * best:
        return None
    fault, camera = ("mirrored", "mirrored") if mirrored <= opposite else ("turned to the opposite side", "opposite")
    return (
        f"The view guidance's pose is {fault}: with the {camera} camera its error is {error / max(best, 1e-9):.1f} "
        "times smaller. If the field is right, choose the kind (zero123, stable-zero123) that the file is, and check "
        "the image's azimuth in 1 Picture."
    )


def condition_ignored(change: float) -> str | None:
    """Judge the change of denoised pure noise with another image to repair."""
    if change >= MIN_CHANGE:
        return None
    return "The refine guidance ignores the image that it repairs: wire a tile ControlNet of its MODEL's family."


def embedding_missing(prompt: str, embedding: str) -> str | None:
    """Look for the learned embedding in the refine guidance's prompt."""
    name = embedding.strip().removeprefix("embedding:")
    if not name or f"embedding:{name}".lower() in prompt.lower():
        return None
    return (
        f"The learned embedding is missing: the refine guidance's prompt does not contain embedding:{name}. Put it in "
        "the place of the subject, and wire the CLIP of Textual inversion."
    )


def wrong_subject(role: str, drift: float) -> str | None:
    """Judge the mean change of the subject's colours when the reference image is denoised from low noise."""
    if drift <= DRIFT[role]:
        return None
    advice = (
        "Wire the reference of this image into the view guidance."
        if role == "view"
        else "Put the learned embedding of this image into its prompt."
    )
    return (
        f"The {role} guidance knows another subject: denoising your image changes the subject's colours by "
        f"{100 * drift:.0f} %. {advice}"
    )


def no_effect(role: str, weight: float, t_max: float) -> str | None:
    """Judge a guidance's weight and highest noise."""
    if weight > 0.0 and t_max >= 0.05:
        return None
    reason = "its weight is 0" if weight <= 0.0 else f"it draws next to no noise (t_max {t_max:g})"
    return f"The {role} guidance has no effect: {reason}. Use the method's number, or unplug it."


def query_failed(role: str, error: Exception) -> str:
    return f"The {role} guidance fails: {error}"

"""What may be wrong with a wire: from measured figures to a sentence that says what to do, or to None.

Pure functions. The thresholds leave room for what correct priors do: an exact one snaps to what it knows, a large one
blurs, guidance at scale 101 saturates.
"""

from __future__ import annotations

BORDER, COVERS = 0.5, 0.9  # share of the picture's border, and of the picture, that a subject may own
OVERLAP = 0.3  # of the silhouettes of field and picture
EMPTY = 0.02  # share of the front render that an existing subject covers at least, relative to the picture's
LATENT_STD = (0.3, 3.5)  # of the encoded colour card. SD's scale factors aim at 1; the built-in priors have 1.7
LATENTS_SHOW = 0.15  # share of the pictures' variance that a linear map of the latents explains; a VAE's some 0.7
LARGEST = 6e4  # float16 ends at 65504
DEAD = 0.02  # contrast of an answer, relative to what was asked
GAINS = 1.5  # an answer has at most the contrast of the picture in the noise: least squares shrinks
NOISE_LEFT = 0.5  # share of the noise that comes back at high noise: nothing is denoised
NOISE_TURNED = -0.06  # least squares never answers with the noise turned round
SATURATES = 25.0  # contrast of a guided answer at middle noise, relative to the picture's
CFG_RANGE = {"image": (2.0, 300.0), "view": (1.0, 30.0), "video": (2.0, 300.0), "refine": (1.5, 100.0)}
CFG_METHOD = {"image": 101, "view": 5, "video": 101, "refine": 8.5}
CFG_EXACT = 20.0  # exact priors are made for 1 to 3
HEARD = 1e-3  # change of an answer per unit of cfg, relative: float16 alone stays below
ASKED = 1e-4  # change of an answer with pose or condition, relative
TURNED_FITS = 1.2  # another pose must fit this many times better
NAIVE = (
    "The refine guidance has no ControlNet, so it does not see the picture that it repairs: the paper's naive "
    "personalised prior."
)
DRIFT = {"view": 0.15, "refine": 0.09}  # mean change of colour over the subject when the picture itself is shown


def mask_inverted(border: float, covers: float) -> str | None:
    """Shares of the border and of the whole picture that the mask calls subject."""
    if border <= BORDER and covers <= COVERS:
        return None
    return (
        f"The mask looks inverted: the subject owns {100 * border:.0f} % of the picture's border and covers "
        f"{100 * covers:.0f} % of it. Set mask_marks in 1 Picture the other way, or to auto."
    )


def field_empty(covers: float, wanted: float) -> str | None:
    """Shares of the front picture that the render and the reference picture cover."""
    if covers >= EMPTY * wanted:
        return None
    return "The field is empty seen from the front: run the static stage again, or wire the field that you meant."


def field_of_another(overlap: float) -> str | None:
    """Intersection over union of the silhouettes of the field and the picture, from the reference camera."""
    if overlap >= OVERLAP:
        return None
    return (
        f"Field and picture do not belong together: seen from the picture's camera their outlines overlap only "
        f"{100 * overlap:.0f} %. Wire the picture that the field was made from, or give the static stage more steps."
    )


def latents_out_of_scale(role: str, std: float) -> str | None:
    """Standard deviation of an encoded colour card."""
    low, high = LATENT_STD
    if low <= std <= high:
        return None
    return (
        f"The {role} guidance's VAE looks wrong: its latents have a standard deviation of {std:.2g} where about 1 is "
        "usual. Wire the VAE of the MODEL's own checkpoint."
    )


def latents_show_nothing(role: str, explained: float) -> str | None:
    """How much of the pictures a linear map of the latents explains."""
    if explained >= LATENTS_SHOW:
        return None
    return (
        f"The {role} guidance's VAE looks wrong: hardly anything of the picture ({100 * explained:.0f} %) is in its "
        "latents. Wire the VAE of the MODEL's own checkpoint."
    )


def shapes_differ(role: str, asked: tuple[int, ...], answer: tuple[int, ...]) -> str | None:
    if asked == answer:
        return None
    return (
        f"The {role} guidance answers latents {asked} with {answer}: the VAE is not the MODEL's. Wire the VAE of the "
        "MODEL's own checkpoint."
    )


def not_finite(role: str, bad: float, largest: float, sigma: float) -> str | None:
    """Share of NaN and infinite numbers in the worst answer, the largest finite one, and the lowest noise it was at."""
    if bad == 0.0 and largest < LARGEST:
        return None
    if bad == 0.0:
        return (
            f"The {role} guidance answers with numbers up to {largest:.2g} at noise {sigma:.2g}: it overflows in half "
            "precision. Load the MODEL in bf16 or fp32, or take another VAE (fp16-fix)."
        )
    return (
        f"The {role} guidance answers with NaN or infinite numbers ({100 * bad:.0f} % of them at noise {sigma:.2g}): "
        "load the MODEL and the VAE in bf16 or fp32; if it stays, the file is damaged."
    )


def dead(role: str, contrast: float) -> str | None:
    """Contrast of the answer to a nearly clean picture, relative to that picture's."""
    if contrast >= DEAD:
        return None
    return (
        f"The {role} guidance is dead: it answers a nearly clean picture with a flat one. The file is no model of this "
        "kind, or it is damaged: load another."
    )


def wrong_kind(role: str, gains: list[float], noise: list[float]) -> str | None:
    """At low, middle and high noise: contrast of what is kept of the picture, and share of the noise that comes back.

    A v model read as eps keeps 1 + sigma^2 / sqrt(1 + sigma^2) of the picture; an eps model read as v gives back a part
    of the noise turned round; one that is told another noise level leaves the noise.
    """
    advice = "Take the loader (or ModelSamplingDiscrete setting) that belongs to this file."
    if max(gains) > GAINS:
        return (
            f"The {role} guidance is the wrong kind of model: what it sees in the noise has {max(gains):.1f} times the "
            f"contrast of the picture, as when a v-prediction model is read as eps. {advice}"
        )
    if min(noise) < NOISE_TURNED:
        return (
            f"The {role} guidance is the wrong kind of model: its answer holds the noise turned round "
            f"({min(noise):.2f}), as when an eps model is read as v-prediction. {advice}"
        )
    if noise[-1] > NOISE_LEFT:
        return (
            f"The {role} guidance does not denoise: {100 * noise[-1]:.0f} % of the noise comes back at high noise. It "
            f"is the wrong kind of model, or it is told another noise level. {advice}"
        )
    return None


def cfg_far_off(role: str, cfg: float | None, exact: bool, saturation: float) -> str | None:
    """The scale, if the prior tells it; whether it is exact; the contrast of its answer at middle noise."""
    if cfg is not None and exact and cfg > CFG_EXACT:
        return f"cfg {cfg:g} of the {role} guidance is far off: a built-in prior is made for 1 to 3."
    if cfg is not None and not exact:
        low, high = CFG_RANGE[role]
        if not low < cfg <= high:
            return f"cfg {cfg:g} of the {role} guidance is far off: the method uses {CFG_METHOD[role]:g}. " + (
                "Raise it, or nothing takes shape." if cfg <= low else "Lower it, or the result over-saturates."
            )
    if cfg is None and saturation > SATURATES:  # a known scale in its range may well saturate: that is its way
        return (
            f"The {role} guidance saturates: its answer has {saturation:.0f} times the contrast of the picture. Lower "
            f"its cfg; the method uses {CFG_METHOD[role]:g} for a learned model."
        )
    return None


def prompt_ignored(role: str, effect: float) -> str | None:
    """Change of what it makes of pure noise, with condition against without, per unit of cfg."""
    if effect >= HEARD:
        return None
    what = "picture" if role == "view" else "prompt"
    return (
        f"The {role} guidance does not hear its {what}: with and without, it answers the same. Write a prompt, and "
        f"wire the {'CLIP_VISION' if role == 'view' else 'CLIP'} of the MODEL's own checkpoint."
    )


def pose_ignored(change: float) -> str | None:
    """Change of what it makes of pure noise, told another camera."""
    if change >= ASKED:
        return None
    return (
        "The view guidance does not hear where the camera is: it answers the same for the front and for the side. Wire "
        "a Zero123 or Stable-Zero123 checkpoint."
    )


def pose_turned(told: float, mirrored: float, opposite: float) -> str | None:
    """How far its answers are from a known view, told that view's camera, its mirror image and the opposite one."""
    best = min(mirrored, opposite)
    if told <= TURNED_FITS * best:
        return None
    how = "mirrored" if mirrored <= opposite else "turned to the opposite side"
    return (
        f"The view guidance's pose is {how}: it fits {told / max(best, 1e-9):.1f} times better when it is told the "
        f"{'mirrored' if mirrored <= opposite else 'opposite'} camera. If the field is right, choose the kind "
        "(zero123, stable-zero123) that the file is, and check the picture's azimuth in 1 Picture."
    )


def condition_ignored(change: float) -> str | None:
    """Change of what it makes of pure noise with another picture to repair."""
    if change >= ASKED:
        return None
    return (
        "The refine guidance does not look at the picture that it repairs: wire a tile ControlNet of its MODEL's "
        "family."
    )


def token_missing(prompt: str, embedding: str) -> str | None:
    """The sentence that the refine guidance reads, and the learned word that it should hold."""
    name = embedding.strip().removeprefix("embedding:")
    if not name or f"embedding:{name}".lower() in prompt.lower():
        return None
    return (
        f"The learned word is missing: the refine guidance's prompt does not hold embedding:{name}. Put it in the "
        "place of the subject, and wire the CLIP of Textual inversion."
    )


def another_subject(role: str, drift: float) -> str | None:
    """Mean change of colour over the subject when the reference picture itself is shown in little noise."""
    if drift <= DRIFT[role]:
        return None
    advice = (
        "Wire the reference of this picture into the view guidance."
        if role == "view"
        else "Put the learned word of this picture into its prompt."
    )
    return (
        f"The {role} guidance knows another subject: shown your picture, it changes the subject's colours by "
        f"{100 * drift:.0f} %. {advice}"
    )


def without_effect(role: str, weight: float, t_max: float) -> str | None:
    if weight > 0.0 and t_max >= 0.05:
        return None
    why = "its weight is 0" if weight <= 0.0 else f"it looks at next to no noise (t_max {t_max:g})"
    return f"The {role} guidance teaches nothing: {why}. Give it the number of the method, or unplug it."


def stopped(role: str, error: Exception) -> str:
    return f"The {role} guidance cannot be asked: {error}"

"""What the guidance nodes share: inputs with the method's numbers and where they come from."""

from __future__ import annotations

from collections.abc import Mapping

from ...a124core.priors.defaults import normalised_built_in
from ...a124core.protocols import WEIGHT_UNITS, Guidance, check_noise_range
from ..declarations import Spec, choice, flag, integer, number, socket, text
from ..queued import check_declared


def models(model: str) -> dict[str, Spec]:
    """Return MODEL, CLIP and VAE, as a checkpoint loader gives them."""
    return {
        "model": socket("MODEL", model),
        "clip": socket("CLIP", "The CLIP of the same checkpoint."),
        "vae": socket("VAE", "The VAE of the same checkpoint: the gradient goes through a copy of its encoder."),
    }


def prompt(default: str, tooltip: str) -> Spec:
    return text(default, tooltip, multiline=True)


def cfg(default: float, source: str = "") -> Spec:
    reason = source or (
        "101 is no mistake: score distillation needs it to converge to one result. The authors' code adds 100 times "
        "the difference to the conditional prediction, which is 101 in ComfyUI's form."
    )
    tooltip = f"Strength of classifier-free guidance, uncond + cfg (cond - uncond). {reason}"
    return number(default, 1.0, 1000.0, 0.5, tooltip)


def weight(default: float, tooltip: str) -> Spec:
    return number(default, 0.0, 1e4, 0.001, tooltip)


def weight_unit(usual: str) -> Spec:
    """Return the choice of the weight's unit; usual: what is usual in the unit "normalised", a clause."""
    return choice(WEIGHT_UNITS, (
        "What the weight multiplies. raw: score distillation summed over the latents, as in the authors' code; it goes "
        "with one preset and one size. normalised: its mean, times the preset's weight of the picture, so that it goes "
        f"with every preset and beside any other guidance; {usual}."
    ), advanced=True)


def calibrate() -> Spec:
    """Return the switch for cfg and noise range being chosen when a stage begins."""
    return flag((
        "Let the optimizer choose cfg, and if need be a smaller noise range, when it begins: so that the scene neither "
        "fades nor over-saturates under this guidance. It takes 33 queries, and the optimizer says what it chose."
    ), advanced=True)


def still_prompt() -> Spec:
    """Return the prompt of a guidance's source."""
    return text("", (
        "The prompt without its motion, as in 'a panda is standing still'. What the model would do to a scene that "
        "stands still, such as to fade or recolour it, is then left out. The scene moves less, and each step asks the "
        "model twice. Empty: off, as in the paper."
    ), advanced=True)


def in_unit(unit: str, guidances: Mapping[str, Guidance | None]) -> list[Guidance | None]:
    """Return the guidances of exact priors, which come by role, their weights in the unit; one that is normalised
    stays so."""
    return [
        normalised_built_in(role, g) if g is not None and unit == "normalised" != g.weight_unit else g
        for role, g in guidances.items()
    ]


def noise(low: float, high: float, source: str = "as in the authors' code") -> dict[str, Spec]:
    """Return the range of noise levels, as shares of the schedule; source: where the two numbers are from."""
    return {
        "t_min": number(low, 0.0, 1.0, 0.01, (
            f"Lowest noise level that is drawn, as a share of the schedule. {low} {source}."
        )),
        "t_max": number(high, 0.0, 1.0, 0.01, (
            f"Highest noise level that is drawn. {high} {source}. Lower it when the result is over-saturated."
        )),
    }


def check_noise(node: type, t_min: float | None, t_max: float | None) -> None:
    """Refuse a range of noise levels as far as it is known when a job is queued."""
    check_declared(node, t_min=t_min, t_max=t_max)
    check_noise_range(0.0 if t_min is None else t_min, 1.0 if t_max is None else t_max)


def size(default: int, source: str = "as in the authors' code") -> Spec:
    return integer(default, 64, 2048, (
        f"Renders are resized to this many pixels for the MODEL. {default} {source}; smaller is faster and needs less "
        "memory."
    ), step=64)

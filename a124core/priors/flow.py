"""What differs when a prior is a flow-matching model, or one that was distilled: the advice for its numbers."""

from __future__ import annotations

from ..protocols import Guidance

# RFDS on Stable Diffusion 3 (arXiv 2406.03293): t from .30 to .98, classifier-free guidance 100. Nobody has published
# figures for video models.
T_MIN, T_MAX = 0.30, 0.98
ROLES = ("image", "video")  # that make shape and motion; a refinement keeps what is there, whatever the noise


def flow_advice(role: str, guidance: Guidance) -> str | None:
    """Return one sentence if a flow model is used at noise levels that are made for eps-prediction; None if not."""
    if role not in ROLES or not guidance.prior.flow or guidance.t_min >= T_MIN:
        return None
    return (
        f"The {role} guidance is a flow model, whose low noise levels hardly shape anything: set t_min to {T_MIN:g} "
        f"and t_max to {T_MAX:g} (now {guidance.t_min:g} and {guidance.t_max:g})."
    )


def distilled_advice(role: str, guidance: Guidance) -> str | None:
    """Return one sentence if a model was distilled, so that its conditional answer is no score; None if not."""
    if not guidance.prior.distilled:
        return None
    return (
        f"The {role} guidance is a distilled model ({guidance.prior.distilled}): its answers already contain guidance, "
        "so cfg distorts them and shapes stay poor. Load the base model of its family, without a few-step LoRA."
    )


def advice(role: str, guidance: Guidance) -> list[str]:
    """Return all sentences on a guidance, for the node that makes it and for the check of priors."""
    return [text for text in (flow_advice(role, guidance), distilled_advice(role, guidance)) if text is not None]

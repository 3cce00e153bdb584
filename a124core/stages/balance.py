"""Who moves the field: the shares of picture and priors in the gradient at the pixels.

Adam divides by the running size of the gradient, so a term that is much weaker than another moves nothing, whatever its
loss says. What pulls a place of the scene is the gradient summed over the pixels that see it: sums of pictures of any
size can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EVERY = 100  # steps that shares are taken over
REFERENCE = "picture"  # the name of its share
REFERENCE_TERMS = ("rgb", "mask", "depth")
SMALLEST_SHARE = 0.01  # of the picture against the priors: below, Adam hardly hears it


@dataclass
class Balance:
    """The pulls of the last steps, and the shares of those before."""

    stage: str
    warns: bool = True  # not where every prior is exact: they agree with the picture
    shares: dict[str, float] = field(default_factory=dict)  # of REFERENCE and each "sds ..." term; empty at first
    totals: dict[str, float] = field(default_factory=dict)  # of pulls since the shares were taken
    count: int = 0  # steps since then

    def add(self, pulls: Mapping[str, float]) -> str | None:
        """Count a step's sums of |gradient|, 0 for a term that it lacks -> a warning where the picture is not heard."""
        for term, pull in pulls.items():
            name = REFERENCE if term in REFERENCE_TERMS else term
            self.totals[name] = self.totals.get(name, 0.0) + pull
        self.count += 1
        if self.count < EVERY:
            return None
        whole = sum(self.totals.values())
        self.shares = {name: total / whole for name, total in self.totals.items()} if whole > 0 else {}
        self.totals, self.count = {}, 0
        return self._warning()

    def _warning(self) -> str | None:
        share = self.shares.get(REFERENCE)
        priors = sum(share for name, share in self.shares.items() if name != REFERENCE)
        if not self.warns or share is None or share >= SMALLEST_SHARE * priors:
            return None
        self.warns = False  # once is enough
        return (
            f"{self.stage} stage: the reference picture makes {percent(share)} of the gradient and the priors "
            f"{percent(priors)}, so the result will not look like the picture: lower the weights of the guidances, or "
            "set their weight_unit to normalised."
        )


def percent(share: float) -> str:
    """Write a share with as many digits as it needs."""
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"


def describe_shares(shares: Mapping[str, float]) -> str:
    """Write shares for people, as "picture 23 %, view 77 %"."""
    return ", ".join(f"{name.removeprefix('sds ')} {percent(share)}" for name, share in shares.items())

"""A prior whose answers are checked: what a foreign one does wrong is said in one sentence that names it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from ..protocols import FieldExplodedError, Guidance, Guidances, Prior, View
from ..utils.device import DeviceMemoryError, is_out_of_memory

BROKEN_SHARE = 0.01  # of an answer's numbers: fewer are single overflows, which count as 0 (sds.py) and cost nothing
ADVICE = "if it runs in half precision, use bf16 or full precision, else check its files and what is connected to it"
LOST = "the rendered images are not numbers any more", "lower the guidance weights, then run the stage again."
PATIENCE = 20  # answers in a row that may be broken: a stage loses some seconds, and one noise level may be unlucky
FAULTS = (  # of Python and torch: other exceptions are a host's own, such as its cancel
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError, NameError, OSError,
    RuntimeError, TypeError, ValueError,
)


class PriorError(RuntimeError):
    """A prior failed, not the field: the last finished step is worth keeping."""

    def __init__(self, prior: str, fault: str) -> None:
        super().__init__(f"{prior} {fault}")
        self.prior = prior


class PriorMemoryError(PriorError, DeviceMemoryError):
    """A prior ran out of memory; hosts that free their models after torch's own error do so after this one."""


class CheckedPrior(Prior):
    """Another prior, each of whose answers is checked for its type, its shape and its numbers."""

    def __init__(self, prior: Prior, role: str) -> None:
        self.prior, self.role = prior, role
        self.notes: list[str] = []  # sentences for the user, until somebody takes them
        self.name = f"the {role} prior ({type(prior).__name__})"
        self.sigmas, self.cameras = getattr(prior, "sigmas", None), getattr(prior, "cameras", None)
        self.exact, self.cfg = getattr(prior, "exact", False), getattr(prior, "cfg", None)
        self.reads_condition = getattr(prior, "reads_condition", False)
        self.filmed = getattr(prior, "filmed", ())
        self._images: Tensor | None = None  # encoded last, until an answer to them is there
        self._broken_answers = self._zero_gradients = 0  # in a row
        self._warned = False  # one warning is enough
        self._check_sigmas()

    def encode(self, image: Tensor) -> Tensor:
        """Encode as the prior does; PriorError if it fails or gives no latents through which a gradient can flow."""
        self._images = image.detach()
        with self._explained("encode"):
            x0 = self.prior.encode(image)
        self._check_tensor(x0, "encode")
        if x0.ndim < 2 or x0.shape[0] not in (1, image.shape[0]):
            count = image.shape[0]
            raise self._error(f"encoded {count} images as {tuple(x0.shape)}: {count} items or 1 clip are needed")
        if torch.is_grad_enabled() and image.requires_grad and not x0.requires_grad:
            raise self._error("encodes images without a gradient: encode must be differentiable")
        return x0

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        """Denoise as the prior does; PriorError if it fails or answers with something else than latents like x_t."""
        with self._explained("denoise"):
            x0_hat = self.prior.denoise(x_t, sigma, view)
        self._check_tensor(x0_hat, "denoise")
        if x0_hat.shape != x_t.shape or x0_hat.device != x_t.device:
            raise self._error(
                f"answered with {tuple(x0_hat.shape)} on {x0_hat.device} to latents of {tuple(x_t.shape)} on "
                f"{x_t.device}: denoise must return the same shape on the same device"
            )
        self._check_numbers(x0_hat, x_t, sigma)
        return x0_hat

    def with_cfg(self, cfg: float) -> CheckedPrior:
        """Return the prior at another cfg, checked too."""
        return CheckedPrior(self.prior.with_cfg(cfg), self.role)

    def check_gradient(self, norm: float) -> None:
        """Warn once of a gradient of exactly 0 at the pixels, by which a prior says nothing; PriorError if it lasts."""
        self._zero_gradients = self._zero_gradients + 1 if norm == 0.0 else 0
        if self._zero_gradients:
            self._report(self._zero_gradients, "gave a gradient of 0, from which nothing is learned", "connect it anew")

    def _check_sigmas(self) -> None:
        sigmas = self.sigmas
        right = isinstance(sigmas, Tensor) and sigmas.ndim == 1 and len(sigmas) and sigmas.is_floating_point()
        if not right or not bool((sigmas.isfinite() & (sigmas >= 0)).all()):
            raise self._error("has no usable noise levels: sigmas must be a row of finite numbers, 0 or more")

    def _check_tensor(self, answer: object, method: str) -> None:
        if not isinstance(answer, Tensor) or not answer.is_floating_point():
            kind = answer.dtype if isinstance(answer, Tensor) else type(answer).__name__
            raise self._error(f"returned {kind} from {method}: a floating-point tensor is needed")

    def _check_numbers(self, x0_hat: Tensor, x_t: Tensor, sigma: Tensor) -> None:
        """Warn once of broken or empty answers; PriorError when they last, or if no number at all is left."""
        images, self._images = self._images, None
        sums = torch.stack([x.abs().sum(dtype=torch.float32) for x in (x0_hat, x_t)]).tolist()  # one wait on a device
        broken = 0.0 if all(map(math.isfinite, sums)) else max(map(_broken_share, (x0_hat, x_t)))
        if broken <= BROKEN_SHARE and sums[0]:
            self._broken_answers = 0
            return
        if _is_broken(images):
            raise FieldExplodedError(*LOST)
        self._broken_answers += 1
        at = f"at noise {float(sigma.flatten()[0]):.3g}"
        if broken == 1.0:
            raise self._error(f"gave no finite number {at}: {ADVICE}")
        reason = f"{100 * broken:.0f} % of its numbers are NaN or infinite" if broken > BROKEN_SHARE else "all are 0"
        self._report(self._broken_answers, f"gave a broken answer {at} ({reason})", ADVICE)

    def _report(self, times: int, fault: str, advice: str) -> None:
        """Tell a fault at its first time; PriorError at the time that is one too many."""
        if times >= PATIENCE:
            raise self._error(f"{fault} {PATIENCE} times in a row: {advice}")
        if not self._warned:
            self.notes.append(f"{self.name} {fault}; the run goes on unless that lasts.")
        self._warned = True

    @contextmanager
    def _explained(self, method: str) -> Iterator[None]:
        try:
            yield
        except PriorError:
            raise
        except FAULTS as error:
            if _is_broken(self._images):
                raise FieldExplodedError(*LOST) from error
            detail = " ".join(str(error).split()).rstrip(".")
            if is_out_of_memory(error):
                raise PriorMemoryError(self.name, f"is out of memory ({detail or type(error).__name__}).") from error
            raise self._error(f"failed in {method} ({type(error).__name__}{detail and f': {detail}'})") from error

    def _error(self, fault: str) -> PriorError:
        return PriorError(self.name, f"{fault}.")


def _is_broken(images: Tensor | None) -> bool:
    return images is not None and not bool(images.isfinite().all())


def _broken_share(values: Tensor) -> float:
    return float((~values.isfinite()).float().mean())


def checked(guidances: Guidances) -> Guidances:
    """Return the guidances with their priors checked, for one run of one stage."""
    connected = {role: guidance for role, guidance in vars(guidances).items() if guidance is not None}
    return Guidances(**{role: _checked(guidance, role) for role, guidance in connected.items()})


def _checked(guidance: Guidance, role: str) -> Guidance:
    source = None if guidance.source is None else CheckedPrior(guidance.source, f"{role} source")
    return replace(guidance, prior=CheckedPrior(guidance.prior, role), source=source)


def check_gradients(guidances: Guidances, losses: dict[str, float]) -> list[str]:
    """Check the gradients at the pixels that a step logged -> the sentences for the user since the last step."""
    for role, guidance in vars(guidances).items():
        if guidance is not None and guidance.weight and (norm := losses.get(f"sds {role}")) is not None:
            guidance.prior.check_gradient(norm)
    priors = [prior for g in guidances for prior in (g.prior, g.source) if prior is not None]
    notes = [note for prior in priors for note in prior.notes]
    for prior in priors:
        prior.notes.clear()
    return notes

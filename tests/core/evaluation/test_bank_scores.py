"""R, T, I and F under the built-in priors: on log weights by hand, and on the bank's own images."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.rig import reference_camera
from a124core.evaluation import bank_scores as scores
from a124core.evaluation.bank_scores import CaptionBank, bank_of, caption_bank, reference_items
from a124core.priors.builtin.appearance import Appearance, get_subject
from a124core.priors.builtin.bank import Bank, camera_lattice
from a124core.protocols import Guidance
from tests.fakes import PixelPrior

LOG = torch.tensor([[[0.4, 0.1, 0.3, 0.2], [0.1, 0.1, 0.7, 0.1]]]).log()  # one view, two times; two captions x palettes


def test_each_score_by_hand() -> None:
    assert torch.allclose(scores.captions_posterior(LOG), torch.tensor([[[0.5, 0.5], [0.2, 0.8]]]))
    assert scores.bank_r(LOG).tolist() == [[1, 0]]
    assert torch.allclose(scores.bank_t(LOG), torch.tensor([[0.5, 0.2]]))
    own = torch.tensor([True, False, True, False])
    assert torch.allclose(scores.bank_i(LOG[0], own), torch.tensor([0.7, 0.8]))
    overlap = sum((a * b) ** 0.5 for a, b in ((0.4, 0.1), (0.1, 0.1), (0.3, 0.7), (0.2, 0.1)))
    assert float(scores.bank_f(LOG, LOG[:, 1:])) == pytest.approx(overlap)
    assert float(scores.bank_f(LOG, LOG[:, :1])) == pytest.approx(1.0)  # the next frame is the same one


@pytest.fixture(scope="module")
def bank() -> CaptionBank:
    torch.set_num_threads(1)
    camera = reference_camera()
    snowman, duck = get_subject("snowman"), get_subject("duck")
    clips = [Appearance(snowman, "drifted", "jump"), Appearance(snowman, "drifted", "sway"),
             Appearance(duck, "drifted", "jump")]
    return caption_bank(Bank(camera, camera_lattice(camera)), clips, 24)


def test_the_banks_own_images_are_recognised(bank: CaptionBank) -> None:
    assert bank.captions == (("snowman", "jump"), ("snowman", "sway"), ("duck", "jump")) and len(bank.items) == 6
    assert "3 captions" in bank.describe() and "33.3 %" in bank.describe()
    cameras, time = bank.bank.cameras[torch.tensor([0, 40])], torch.tensor([0.25])
    from a124core.protocols import Shading

    own = bank.bank.images(list(bank.items), cameras, time.expand(2), 24, torch.ones(3), Shading())
    log = bank.log_weights(own, cameras, time)  # each item as the frame: (K, V, K)
    assert torch.equal(log.argmax(-1), torch.arange(6)[:, None].expand(6, 2))
    assert torch.allclose(log.diagonal(dim1=0, dim2=2), torch.zeros(2, 6))
    # by the formula typed out: x0 = 3 (2 x - 1), the highest of the method's sigmas
    expected = -(6 * (own[0, 0] - own[4, 0])).square().sum() / (2 * bank.sigma**2)
    assert float(log[0, 0, 4]) == pytest.approx(float(expected), rel=1e-4)
    weights = log[0][:, None]
    assert scores.bank_r(weights).mean() == 1 and scores.bank_t(weights).mean() > 0.4
    assert scores.bank_i(log[0], reference_items(bank)).mean() > scores.bank_i(log[1], reference_items(bank)).mean()


def test_at_time_0_all_motions_are_alike_and_a_tie_is_no_loss(bank: CaptionBank) -> None:
    from a124core.protocols import Shading

    camera, zero = bank.bank.cameras[:1], torch.zeros(1)
    image = bank.bank.images([bank.items[0]], camera, zero, 24, torch.ones(3), Shading())
    log = bank.log_weights(image, camera, zero)
    posterior = scores.captions_posterior(log)[0, 0]
    assert float(posterior[0]) == pytest.approx(float(posterior[1]))
    assert float(scores.bank_r(log)) == 1.0


def test_another_guidance_is_refused() -> None:
    with pytest.raises(ValueError, match="not a built-in one"):
        bank_of(Guidance(PixelPrior(clip=True), 1.0, 0.0, 1.0))

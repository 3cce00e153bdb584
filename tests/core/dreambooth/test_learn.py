"""DreamBooth on a toy whose optimum is known, what prior preservation preserves, and continuing from a file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from a124core.dreambooth.config import DreamBoothConfig
from a124core.dreambooth.learn import learn_lora
from a124core.dreambooth.model import LoraModel
from a124core.dreambooth.snapshot import CLASSES, VIEWS, LoraSnapshot
from a124core.dreambooth.subject import SubjectImages, subject_of
from a124core.export.lora import load_lora_progress, read_lora, save_lora_progress, write_lora
from a124core.inversion.steps import LearnRun, LearnStep
from a124core.priors.lora import check_rank
from a124core.priors.noise import scaled_linear_sigmas

WEIGHT = torch.tensor([[0.8, 0.1, 0.0, 0.3], [0.2, 0.9, 0.0, 0.0], [0.0, 0.3, 1.1, -0.2]])
TEXTS = {"sks robot": torch.tensor([0.6, 0.2, 0.3, 0.5]), "robot": torch.tensor([0.5, -0.3, 0.4, 0.1]),
         "": torch.zeros(4)}
COLOUR = torch.tensor([0.9, 0.3, 0.2]).view(1, 3, 1, 1)
NAME = "lora_unet_toy"
UP, DOWN = f"{NAME}.lora_up.weight", f"{NAME}.lora_down.weight"
TOY = DreamBoothConfig(
    "sks robot", "robot", steps=400, rank=3, batch=2, lr=0.02, weight_decay=0.0, class_images=2, size=8, cfg=1.0,
    sampling_steps=4,
)


@dataclass
class Toy(LoraModel):
    """A VAE that keeps the mean colour, and a UNet of one matrix that ignores its noisy input: x0_hat = W' text."""

    rank: int = 3
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)

    def __post_init__(self) -> None:
        self.up, self.down = (torch.zeros(s).requires_grad_(True) for s in ((3, self.rank), (self.rank, 4)))

    def lora_parameters(self) -> dict[str, Tensor]:
        return {UP: self.up, DOWN: self.down}

    def encode(self, image: Tensor) -> Tensor:
        return 2.0 * image.mean(dim=(2, 3), keepdim=True) - 1.0

    def denoise(self, x_t: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        texts = torch.stack([TEXTS[prompt.split(",")[0]] for prompt in prompts])
        return (texts @ (WEIGHT + self.up @ self.down).T)[..., None, None]

    def decode(self, x0: Tensor) -> Tensor:
        return ((x0 + 1) / 2).expand(-1, -1, 8, 8)


def picture() -> SubjectImages:
    return subject_of(COLOUR.expand(1, 3, 12, 16), 8)


def several() -> SubjectImages:
    """The picture and two half-covered renderings."""
    views = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    views[:, 3] = (torch.arange(8) < 4).float()
    views[:, :3] *= views[:, 3:]
    return SubjectImages(torch.cat((picture().images, views)), ("front view", "side view", "back view"))


def learn(
    config: DreamBoothConfig = TOY, subject: SubjectImages | None = None, model: Toy | None = None, **run: Any
) -> dict[str, Tensor]:
    return learn_lora(subject or picture(), model or Toy(config.rank), config, LearnRun(**run))


def output(lora: dict[str, Tensor], text: str) -> Tensor:
    return (WEIGHT + lora[UP] @ lora[DOWN]) @ TEXTS[text]


def test_the_subject_is_learned_and_its_class_stays() -> None:
    """At the optimum W' text is the subject's colour for its own prompt, and as before for the class."""
    losses: list[float] = []
    lora = learn(on_step=lambda step: losses.append(step.loss))
    torch.testing.assert_close(output(lora, "sks robot"), 2 * COLOUR.flatten() - 1, atol=2e-2, rtol=0)
    torch.testing.assert_close(output(lora, "robot"), WEIGHT @ TEXTS["robot"], atol=2e-2, rtol=0)
    assert len(losses) == 400 and sum(losses[-20:]) < 1e-2 * sum(losses[:20])


def test_without_prior_preservation_the_class_drifts() -> None:
    drift = {}
    for weight in (0.0, 1.0):
        lora = learn(replace(TOY, class_weight=weight))
        drift[weight] = float((output(lora, "robot") - WEIGHT @ TEXTS["robot"]).norm())
    assert drift[0.0] > 0.1 and drift[1.0] < 0.3 * drift[0.0]


def test_one_step_is_adamw_on_the_clipped_gradient_of_both_errors() -> None:
    """Typed out in float64. up is 0 at first, so down gets no gradient."""
    calls = []

    class Recorded(Toy):
        def denoise(self, x_t: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
            calls.append((x_t.double(), sigma.double(), prompts, self.down.detach().double().clone()))
            return super().denoise(x_t, sigma, prompts)

    config = replace(TOY, steps=1, eps=0.1, class_weight=0.5, max_norm=0.05)
    lora = learn(config, model=Recorded(), seed=3)
    x_t, sigma, prompts, down = calls[-1]
    assert prompts == ["sks robot"] * 2 + ["robot"] * 2
    up, texts = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True), {k: v.double() for k, v in TEXTS.items()}
    target = torch.stack([2 * COLOUR.flatten() - 1] * 2 + [WEIGHT @ TEXTS["robot"]] * 2).double()
    loss = 0.0
    for k in range(4):
        error = (target[k] - (WEIGHT.double() + up @ down) @ texts[prompts[k]]) / sigma[k]
        loss = loss + error.square().mean() / 2 * (1.0 if k < 2 else 0.5)
    (gradient,) = torch.autograd.grad(loss, up)
    assert gradient.norm() > 0.05
    gradient = gradient * 0.05 / gradient.norm()
    expected = -config.lr * gradient / (gradient.abs() + 0.1)
    torch.testing.assert_close(lora[UP].double(), expected, atol=1e-6, rtol=1e-4)
    assert torch.equal(lora[DOWN].double(), down)


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_continuing_from_a_file_gives_the_same_lora(weight: float, tmp_path) -> None:
    """With the renderings and the class images that were made before the first step: they are not made again."""
    config = replace(TOY, steps=12, class_weight=weight, weight_decay=1e-2)

    def stop(step: LearnStep) -> None:
        if step.step == 7:
            snapshot = step.snapshot()
            save_lora_progress(tmp_path / "lora.safetensors", snapshot.tensors, snapshot.meta)
            raise KeyboardInterrupt

    whole, made = learn(config, several()), []
    with pytest.raises(KeyboardInterrupt):
        learn(config, several(), on_step=stop)
    resume = LoraSnapshot(*load_lora_progress(tmp_path / "lora.safetensors"))
    assert resume.step == 7 and (CLASSES in resume.tensors) == (weight > 0) and resume.tensors[VIEWS].shape[0] == 2
    run = LearnRun(resume=resume)
    again = learn_lora(several(), Toy(), config, run, on_progress=lambda *counts: made.append(counts))
    assert again.keys() == whole.keys() and all(torch.equal(again[name], whole[name]) for name in whole)
    assert made == []
    with pytest.raises(ValueError, match="other settings"):
        learn(replace(config, lr=0.5), several(), resume=resume)
    with pytest.raises(ValueError, match="2 renderings"):
        learn(config, resume=resume)


def test_a_step_that_fails_half_way_does_not_change_the_lora() -> None:
    config = replace(TOY, steps=12, chunk=1)
    steps: list[LearnStep] = []
    calls: list[int] = []

    class Breaking(Toy):
        def denoise(self, x_t: Tensor, *args: Any) -> Tensor:
            if len(steps) == 7:
                calls.append(len(x_t))
                if len(calls) == 4:  # its last chunk
                    raise MemoryError
            return super().denoise(x_t, *args)

    whole = learn(config)
    with pytest.raises(MemoryError):
        learn(config, model=Breaking(), on_step=steps.append)
    again = learn(config, resume=steps[-1].snapshot())
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_progress_of_what_is_made_first_can_cancel() -> None:
    counts: list[tuple] = []

    def cancel(done: int, total: int, text: str) -> None:
        counts.append((done, total, text))
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_lora(picture(), Toy(), TOY, LearnRun(), on_progress=cancel)
    assert counts[-1] == (6, 8, "class image 2 of 2")


def test_the_preview_has_image_and_estimate() -> None:
    previews: list[Tensor] = []
    learn(replace(TOY, steps=2), on_step=lambda s: previews.append(s.preview()))
    assert previews[1].shape == (2, 3, 8, 8) and torch.allclose(previews[1][:1], COLOUR.expand(1, 3, 8, 8))


def test_broken_numbers_stop_with_advice() -> None:
    class Broken(Toy):
        def encode(self, image: Tensor) -> Tensor:
            return super().encode(image) * float("nan")

    with pytest.raises(RuntimeError, match="full precision"):
        learn(replace(TOY, class_weight=0.0), model=Broken())


@pytest.mark.parametrize(("wrong", "match"), [
    ({"steps": 0}, "steps is 0"), ({"rank": 0}, "rank is 0"), ({"lr": 0.0}, "lr is 0"), ({"size": 4}, "size is 4"),
    ({"strength": 2.0}, "strength is 2"), ({"class_prompt": " "}, "needs a class prompt"),
    ({"instance_prompt": ""}, "the prompt is empty"),
])
def test_options_that_cannot_work_are_refused(wrong: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        replace(TOY, **wrong)


def test_repairing_without_a_class_prompt_is_refused() -> None:
    config = replace(TOY, class_prompt="", class_weight=0.0, steps=1)
    assert learn(config) and learn(replace(config, strength=0.0), several())
    with pytest.raises(ValueError, match="repairing renderings needs a class prompt"):
        learn(config, several())


def test_a_rank_above_the_dimensions_and_a_model_without_projections_are_refused() -> None:
    check_rank(4, {"a": (8, 4)})
    with pytest.raises(ValueError, match="rank is 5, but the smallest attention projection has 4"):
        check_rank(5, {"a": (8, 4), "b": (16, 16)})
    with pytest.raises(ValueError, match="no attention projections"):
        check_rank(1, {})


def test_a_lora_is_written_and_read_back_with_its_alpha(tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    lora, path = learn(replace(TOY, steps=2)), tmp_path / "lora.safetensors"
    write_lora(path, lora, {"made_by": "animate124"})
    content = load_file(path)
    assert content[f"{NAME}.alpha"] == 3.0 and content.keys() == {UP, DOWN, f"{NAME}.alpha"}
    assert all(torch.equal(read_lora(path)[name], lora[name]) for name in lora)
    with pytest.raises(ValueError, match="NaN"):
        write_lora(path, {UP: torch.full((1, 1), float("nan"))})
    save_file({UP: torch.zeros(1, 1)}, path)
    with pytest.raises(ValueError, match="not written here"):
        read_lora(path)


def test_a_damaged_snapshot_is_refused() -> None:
    snapshots: list[LoraSnapshot] = []
    learn(replace(TOY, steps=1), on_step=lambda step: snapshots.append(step.snapshot()))
    tensors, meta = snapshots[0].tensors, snapshots[0].meta
    for name in (DOWN, f"mean:{DOWN}", "random"):
        with pytest.raises(ValueError, match="start over|begin"):
            LoraSnapshot({k: t for k, t in tensors.items() if k != name}, meta)
    for changed in ({UP: tensors[UP].double()}, {CLASSES: tensors[CLASSES][0]}, {"other": torch.zeros(1)}):
        with pytest.raises(ValueError, match="not whole"):
            LoraSnapshot({**tensors, **changed}, meta)
    with pytest.raises(ValueError, match="not whole"):
        LoraSnapshot(tensors, {**meta, "step": -1})

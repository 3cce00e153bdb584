"""A 3D model under the built-in priors: it stands as the reference shows it, and its parts move."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import trimesh

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.models3d.placed import NotAlignedError
from a124core.models3d.read import LoadedModel, read_model
from a124core.priors.builtin import RequestedMotion, make_priors
from a124core.priors.builtin.appearance import Appearance, animate
from a124core.priors.builtin.puppet.own_model import model_subject
from a124core.priors.builtin.subject import Subject
from a124core.reference.reference import Reference, make_reference
from tests.core.models3d.animals import animal_gaussians, striped_animal
from tests.core.models3d.scenes import write_gaussians


@pytest.fixture(scope="module")
def animal(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    path = tmp_path_factory.mktemp("model") / "animal.glb"
    striped_animal().export(path)
    return read_model(path)


def picture_of(model: LoadedModel, azimuth: float = 0.0) -> Reference:
    """The model seen from its front, by a camera that is said to stand at an azimuth."""
    layers = model.frames[0].layers(make_cameras(0.0, 0.0), (128, 128))
    camera = reference_camera(0.0, azimuth)
    image = layers[:, :3] + 1 - layers[:, 3:4]
    return make_reference(image, layers[:, 3:4], mask_marks="subject", camera=camera)


def travel(subject: Subject, motion: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Points at rest, and how far each goes."""
    surfels = subject.surfels(0.02)
    moved = animate(Appearance(subject, "reference", motion), surfels, torch.linspace(0, 1, 9)).points
    return surfels.points, (moved - surfels.points).norm(dim=2).amax(0)


@pytest.mark.parametrize("kind", ["mesh", "splat"])
def test_legs_walk_and_the_tail_wags(kind: str, animal: LoadedModel, tmp_path: Path) -> None:
    if kind == "splat":
        write_gaussians(tmp_path / "animal.ply", animal_gaussians())
        animal = read_model(tmp_path / "animal.ply")
    own = model_subject(animal, None)
    assert own.sentence.startswith("Subject: your 3D model. The model is ") and "legs, tail." in own.sentence
    points, far = travel(own.subject, "wag")
    is_tail = points[:, 0] < -0.42
    assert far[is_tail].max() > 0.1 and far[points[:, 0] > -0.2].max() < 0.01
    points, far = travel(own.subject, "walk")
    is_foot = points[:, 1] < points[:, 1].min() + 0.03
    assert far[is_foot].median() > 0.08


@pytest.mark.parametrize("azimuth", [0.0, 40.0])
def test_the_truth_is_the_model_as_the_picture_shows_it(azimuth: float, animal: LoadedModel) -> None:
    reference = picture_of(animal, azimuth)
    priors = make_priors(reference, "it walks", RequestedMotion("walk"), 32, animal)
    assert "overlaps 9" in priors.summary or "overlaps 100" in priors.summary
    image, mask = priors.truth.render(reference.camera, torch.zeros(1), 96)
    wanted, wanted_mask = reference.composite(96), reference.mask_at(96)
    assert float((mask - wanted_mask).abs().sum() / wanted_mask.sum()) < 0.1
    assert float(((image - wanted).abs().mean(1) * wanted_mask[:, 0]).sum() / wanted_mask.sum()) < 0.1
    turned, _ = priors.truth.render(make_cameras(0.0, azimuth + 180), torch.zeros(1), 96)
    assert float((turned.flip(3) - wanted).abs().mean()) < float((turned - wanted).abs().mean())


def test_without_a_picture_a_cube_stands_inside_the_image(tmp_path: Path) -> None:
    trimesh.creation.box((1, 1, 1)).export(tmp_path / "cube.ply")
    priors = make_priors(None, "it jumps", RequestedMotion("jump"), 16, read_model(tmp_path / "cube.ply"))
    _, mask = priors.truth.render(make_cameras(0.0, 0.0), torch.linspace(0, 1, 2)[:1], 64)
    assert mask[0, 0, 32, 32] > 0.99 and float(mask[0, 0, (0, -1)].max()) == 0 and float(mask[..., (0, -1)].max()) == 0
    assert "one colour only" in priors.summary and "moves as one piece" in priors.summary
    assert "connect a reference" not in priors.summary


def test_models_that_cannot_be_moved_are_refused(animal: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sequence of 2 frames, which moves by itself"):
        model_subject(LoadedModel(animal.frames * 2, "Two."), None)
    trimesh.creation.cylinder(0.01, 1.0).export(tmp_path / "needle.ply")
    with pytest.raises(NotAlignedError, match="overlaps only"):
        model_subject(read_model(tmp_path / "needle.ply"), picture_of(animal))

"""animate --model: a 3D model of the subject guides the novel views, and a run is told from one of another model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import trimesh
from PIL import Image

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.cli.main import main
from a124core.cli.models import Models
from a124core.cli.own import read_posed
from a124core.cli.prepare import RunOptions, prepare, run_identity
from a124core.cli.run import memory_lines
from a124core.models3d.read import read_model
from a124core.priors.builtin.make import example_image, make_priors
from a124core.priors.model3d import Model3DPrior, ModelClipPrior
from a124core.priors.posed_images import PosedPrior
from a124core.reference.reference import make_reference
from a124core.runs.memory import owned_bytes
from tests.core.models3d.animals import animal_gaussians, striped_animal
from tests.core.models3d.scenes import surfel_gaussians, write_gaussians


@pytest.mark.parametrize("kind", ["glb", "ply"])
def test_a_built_in_motion_moves_the_model(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"animal.{kind}"
    striped_animal().export(path) if kind == "glb" else write_gaussians(path, animal_gaussians())
    model = read_model(path).frames[0]
    layers = model.layers(reference_camera(), (128, 128))
    reference = make_reference(layers[:, :3] + 1 - layers[:, 3:4], layers[:, 3:4], mask_marks="subject")
    prepared = prepare(RunOptions(reference, "it is wagging its tail", model=path))
    assert prepared.guidances == prepared.priors.guidances and prepared.answer_known and not prepared.own_note
    assert "Subject: your 3D model. The model is " in prepared.understood and "overlaps" in prepared.understood
    identity = run_identity(prepared)
    assert identity["motion"] == "the 3D model wag" and "model" in identity["models"]
    _, mask = prepared.priors.truth.render(reference.camera, torch.zeros(1), 64)
    assert float((mask - reference.mask_at(64)).abs().sum() / reference.mask_at(64).sum()) < 0.12


def test_a_sequence_guides_the_views_and_the_motion_and_belongs_to_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "robots"
    folder.mkdir()
    for k, spacing in enumerate((0.03, 0.035)):
        write_gaussians(folder / f"{k}.ply", surfel_gaussians("robot", spacing))
    reference = make_reference(*example_image("robot", 128))
    prepared = prepare(RunOptions(reference, "a robot is swaying", model=folder))
    image, view, video = (getattr(prepared.guidances, role) for role in ("image", "view", "video"))
    assert isinstance(view.prior, Model3DPrior) and view.prior is image.prior
    assert isinstance(video.prior, ModelClipPrior) and not prepared.answer_known
    tensors = [t for model in view.prior.frames for t in (model.means, model.covariances, model.rgba)]
    held = sum(t.numel() * 4 for t in (*tensors, view.prior.sigmas))
    assert owned_bytes([view, image]) == held
    assert "3D models, clips and pictures hold" in memory_lines(prepared, "static")[0]
    assert "Gaussians with y up" in prepared.understood and "overlaps" in prepared.understood
    identity = run_identity(prepared)["models"]
    write_gaussians(folder / "1.ply", surfel_gaussians("robot", 0.04))
    assert run_identity(prepared)["models"] != identity != "built-in"


def write_orbit(folder: Path, azimuths: list[float]) -> Path:
    """Picture the robot at rest, on nothing; return the file of the cameras."""
    truth = make_priors(None, "a robot sways", image_size=16).truth
    image, mask = truth.render(make_cameras(0.0, azimuths), torch.zeros(len(azimuths)), 96)
    folder.mkdir()
    for k, frame in enumerate(torch.cat((image, mask), 1)):
        Image.fromarray((frame.permute(1, 2, 0) * 255).round().byte().numpy()).save(folder / f"{k}.png")
    cameras = folder.with_suffix(".json")
    cameras.write_text(json.dumps([{"azimuth": azimuth} for azimuth in azimuths]))
    return cameras


def test_pictures_of_all_sides_guide_the_views_and_belong_to_the_run(tmp_path: Path) -> None:
    cameras = write_orbit(tmp_path / "orbit", [0.0, 90.0, 180.0, 270.0])
    reference = make_reference(*example_image("robot", 128))
    prepared = prepare(RunOptions(reference, "a robot sways", images=tmp_path / "orbit", images_cameras=cameras))
    view = prepared.guidances.view.prior
    assert isinstance(view, PosedPrior) and view is prepared.guidances.image.prior
    turns = (view.cameras.azimuth - view.cameras.azimuth[:1]) % 360.0
    assert turns.tolist() == pytest.approx([0.0, 90.0, 180.0, 270.0], abs=1e-2)
    assert "4 pictures" in prepared.understood and not prepared.answer_known
    assert "3D models, clips and pictures hold" in memory_lines(prepared, "static")[0]
    identity = run_identity(prepared)["models"]
    cameras.write_text(cameras.read_text().replace("270", "280"))
    assert run_identity(prepared)["models"] != identity != "built-in"


def test_pictures_find_their_cameras_by_name_in_whatever_order_these_are_listed(tmp_path: Path) -> None:
    folder, listed = tmp_path / "train", tmp_path / "transforms.json"
    folder.mkdir()
    for k in (1, 2, 10):  # as words, 10 comes before 2
        Image.new("RGB", (8, 8), (k, 0, 0)).save(folder / f"r_{k}.png")
    reference = make_reference(*example_image("robot", 32))
    options = RunOptions(reference, "a robot sways", images=folder, images_cameras=listed)

    def write(names: tuple[str, ...]) -> None:
        places = [[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, k + 1.0], [0, 0, 0, 1]] for k in range(len(names))]
        frames = [{"file_path": name, "transform_matrix": m} for name, m in zip(names, places, strict=True)]
        listed.write_text(json.dumps({"camera_angle_x": 0.7, "frames": frames}))

    for names, places in (
        (("./train/r_1", "./train/r_2", "./train/r_10"), [1.0, 2.0, 3.0]),
        (("train/r_0.png", "train/r_10.png", "train/r_2.png", "train/r_1.png"), [4.0, 3.0, 2.0]),  # 0 is not there
        (("a/r_1", "b/r_1", "c/r_1"), [1.0, 2.0, 3.0]),  # names that do not say which
        (("x", "y", "z"), [1.0, 2.0, 3.0]),
    ):
        write(names)
        image, _, cameras = read_posed(options)
        assert (image[:, 0, 0, 0] * 255).round().tolist() == [1, 2, 10]
        assert cameras.c2w[:, 0, 2, 3].tolist() == places, names


def test_pictures_that_cannot_be_used_end_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cameras = write_orbit(tmp_path / "orbit", [0.0, 90.0, 180.0])
    (tmp_path / "two.json").write_text('[{"azimuth": 0}, {"azimuth": 90}]')
    for name, count in (("one", 1), ("many", 257)):
        (tmp_path / name).mkdir()
        for k in range(count):
            (tmp_path / name / f"{k}.png").touch()
    arguments = ["animate", "--image", str(tmp_path / "orbit" / "0.png"), "--prompt", "a robot sways", "--out",
                 str(tmp_path / "out"), "--images"]
    for more, message in (
        ([str(tmp_path / "orbit")], "say where each was taken from with --images-cameras JSON"),
        ([str(tmp_path / "none"), "--images-cameras", str(cameras)], "is no folder"),
        ([str(tmp_path / "one"), "--images-cameras", str(cameras)], "holds 1 picture(s): put 2 to 256 of the subject"),
        ([str(tmp_path / "many"), "--images-cameras", str(cameras)], "holds 257 picture(s)"),
        ([str(tmp_path / "orbit"), "--images-cameras", str(tmp_path / "two.json")], "3 pictures came with 2 camera(s)"),
        ([str(tmp_path / "orbit"), "--images-cameras", str(cameras), "--model", "x.glb"], "leave one of the two out"),
    ):
        assert main([*arguments, *more]) == 2
        error = capsys.readouterr().err
        assert error.splitlines()[-1].startswith("error: ") and message in error and "Traceback" not in error


def test_models_that_cannot_be_used_end_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 64), "white").save(tmp_path / "white.png")
    image, mask = example_image("robot", 64)
    picture = (image[0].permute(1, 2, 0).numpy() * 255).astype("uint8")
    Image.fromarray(picture).save(tmp_path / "robot.png")
    Image.fromarray((mask[0, 0].numpy() * 255).astype("uint8")).save(tmp_path / "mask.png")
    (tmp_path / "bad.glb").write_bytes(b"glTF")
    trimesh.creation.cylinder(0.01, 1.0).export(tmp_path / "needle.ply")
    arguments = ["animate", "--image", str(tmp_path / "robot.png"), "--mask", str(tmp_path / "mask.png"), "--prompt",
                 "a robot sways", "--out", str(tmp_path / "out"), "--model"]
    for name, message in (("bad.glb", "incomplete"), ("none.glb", "not found"), ("needle.ply", "overlaps only")):
        assert main([*arguments, str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert error.splitlines()[-1].startswith("error: ") and message in error and "Traceback" not in error
    with pytest.raises(ValueError, match="--model needs --priors builtin"):
        RunOptions(None, "a robot", models=Models(), model=tmp_path / "bad.glb")

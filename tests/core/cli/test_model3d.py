"""animate --model: a 3D model of the subject guides the novel views, and a run is told from one of another model."""

from __future__ import annotations

from pathlib import Path

import pytest
import trimesh
from PIL import Image

from a124core.cli.main import main
from a124core.cli.models import Models
from a124core.cli.prepare import RunOptions, prepare, run_identity
from a124core.priors.builtin.make import example_image
from a124core.priors.model3d import Model3DPrior
from a124core.reference.reference import make_reference
from tests.core.models3d.scenes import surfel_gaussians, write_gaussians


def test_the_model_guides_the_views_and_belongs_to_the_run(tmp_path: Path) -> None:
    write_gaussians(tmp_path / "robot.ply", surfel_gaussians("robot", 0.03))
    reference = make_reference(*example_image("robot", 128))
    options = RunOptions(reference, "a robot is swaying", model=tmp_path / "robot.ply")
    prepared = prepare(options)
    image, view, video = (getattr(prepared.guidances, role) for role in ("image", "view", "video"))
    assert isinstance(view.prior, Model3DPrior) and view.prior is image.prior
    assert video is prepared.priors.video
    assert "Gaussians with y up" in prepared.understood and "overlaps" in prepared.understood
    identity = run_identity(prepared)["models"]
    write_gaussians(tmp_path / "robot.ply", surfel_gaussians("robot", 0.04))
    assert run_identity(prepared)["models"] != identity != "built-in"


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

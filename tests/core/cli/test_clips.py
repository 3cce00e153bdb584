"""animate --clip: clips drive the motion from their cameras, and a run is told from one of other clips."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from a124core.cameras.keyframes import listed_cameras, path_from_keys
from a124core.cli.args import parser
from a124core.cli.main import animate_run, main
from a124core.cli.own import own_identity, shared_out
from a124core.cli.prepare import RunOptions, prepare, run_identity
from a124core.priors.builtin.make import example_image, make_priors
from a124core.priors.owned import OwnedPrior
from a124core.priors.video_clip import ClipPrior, ClipsPrior
from a124core.reference.reference import make_reference


def write_clip(folder: Path, azimuth: float, frames: int = 4) -> Path:
    """Film the swaying robot, on nothing."""
    from a124core.cameras.rig import make_cameras

    truth = make_priors(None, "a robot sways", image_size=16).truth
    image, mask = truth.render(make_cameras(0.0, [azimuth] * frames), torch.linspace(0, 1, frames), 48)
    folder.mkdir()
    for k, frame in enumerate(torch.cat((image, mask), 1)):
        values = (frame.permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(values).save(folder / f"{k}.png")
    return folder


def test_clips_guide_motion_and_detail_and_belong_to_the_run(tmp_path: Path) -> None:
    front, back = write_clip(tmp_path / "front", 0.0), write_clip(tmp_path / "back", 150.0)
    reference = make_reference(*example_image("robot", 128))
    options = RunOptions(reference, "a robot is swaying", clips=(front,))
    prepared = prepare(options)
    video, refine = prepared.guidances.video, prepared.guidances.refine
    assert isinstance(video.prior, ClipPrior) and isinstance(refine.prior, OwnedPrior)
    assert prepared.guidances.view is prepared.priors.view and not prepared.answer_known
    assert "seen from the reference camera" in prepared.understood and "Motion" in prepared.understood
    assert replace(prepared, options=replace(options, prompt="")).understood == prepared.own_note
    cameras = tmp_path / "cameras.json"
    cameras.write_text(json.dumps([{"azimuth": 0}, {"azimuth": 150}]))
    both = prepare(RunOptions(reference, "a robot is swaying", clips=(front, back), clip_cameras=cameras))
    assert isinstance(both.guidances.video.prior, ClipsPrior) and "azimuth 150" in both.understood
    identities = {run_identity(p)["models"] for p in (prepared, both)}
    (back / "0.png").write_bytes((back / "1.png").read_bytes())
    identities.add(run_identity(both)["models"])
    assert len(identities) == 3 and "built-in" not in identities


def test_no_prompt_is_needed_where_a_clip_and_a_model_say_it_all(tmp_path: Path) -> None:
    front, picture = write_clip(tmp_path / "front", 0.0), tmp_path / "front" / "0.png"
    arguments = ["animate", "--image", str(picture), "--out", str(tmp_path / "out"), "--clip", str(front)]
    owned = [*arguments, "--model", str(tmp_path / "box.glb")]
    assert animate_run(parser().parse_args(owned)).prompt == ""
    assert animate_run(parser().parse_args([*owned, "--refine", "none", "--prompt", "it jumps"])).prompt == "it jumps"
    for more in (arguments, [*owned, "--refine", "upscale"], [*owned, "--priors", "diffusers"]):
        with pytest.raises(ValueError, match="no prompt came"):
            animate_run(parser().parse_args(more))


def test_files_of_a_folder_count_with_their_names(tmp_path: Path) -> None:
    """Cameras find pictures by name: the same pictures under other names are another run."""
    front, reference = write_clip(tmp_path / "front", 0.0), make_reference(*example_image("robot", 32))
    options = RunOptions(reference, "a robot sways", clips=(front,))
    before = own_identity(options)
    (front / "3.png").rename(front / "7.png")
    assert own_identity(options) != before
    (front / "7.png").rename(front / "3.png")
    assert own_identity(options) == before


def test_cameras_are_shared_out_by_clip_or_by_frame() -> None:
    cameras = listed_cameras(path_from_keys([{"azimuth": 10 * k, "elevation": 5} for k in range(7)]))
    assert [len(part) for part in shared_out(cameras, [3, 4])] == [3, 4]
    assert [len(part) for part in shared_out(cameras, [2] * 7)] == [1] * 7
    assert len(listed_cameras(path_from_keys([{"azimuth": 90}]))) == 1
    with pytest.raises(ValueError, match="lists 7 cameras for 2 clips of 3, 5 frames: list one for each"):
        shared_out(cameras, [3, 5])


def test_clips_that_cannot_be_used_end_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    front = write_clip(tmp_path / "front", 0.0)
    image, mask = example_image("robot", 64)
    values = (torch.cat((image, mask), 1)[0].permute(1, 2, 0).numpy() * 255).astype("uint8")
    Image.fromarray(values).save(tmp_path / "robot.png")
    (tmp_path / "flat.json").write_text('[{"position": [0, 0, 2], "cameraType": "orthographic"}]')
    (tmp_path / "five.json").write_text(json.dumps([{"azimuth": k} for k in range(5)]))
    arguments = ["animate", "--image", str(tmp_path / "robot.png"), "--prompt", "a robot sways", "--out",
                 str(tmp_path / "out"), "--clip"]
    for more, message in (
        ([str(tmp_path / "none.mp4")], "not found"),
        ([str(front), str(front)], "2 clips and no cameras"),
        ([str(front), "--clip-cameras", str(tmp_path / "flat.json")], "switch it to perspective"),
        ([str(front), "--clip-cameras", str(tmp_path / "five.json")], "lists 5 cameras for 1 clip of 4 frames"),
    ):
        assert main([*arguments, *more]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and "Traceback" not in error

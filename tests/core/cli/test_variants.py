"""Every compared system from the picture to the report, and what each leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from a124core.cli import run as pipeline
from a124core.cli.args import parser
from a124core.cli.main import main
from a124core.cli.prepare import PreparedRun, RunOptions, prepare, run_identity, stage_identity
from a124core.cli.run_options import animate_run, changed_options
from a124core.cli.variants import VARIANTS, variants_named
from a124core.export.checkpoint import load_field
from a124core.priors.builtin import make_priors, without_motion

MOVING = ("coarse", "fine")
SYSTEMS = [variant for variant in VARIANTS if variant.name != "no-controlnet"]  # which needs models


def arguments(name: str) -> tuple[str, ...]:
    return variants_named([name])[0].arguments


def prepared(name: str, picture: Path) -> PreparedRun:
    options = ["animate", "--image", str(picture), "--prompt", "a snowman bounces", *arguments(name)]
    return prepare(animate_run(parser().parse_args(options)))


def supervision(name: str, picture: Path) -> dict[str, set[str]]:
    run = prepared(name, picture)
    used = {stage: {role for role, g in vars(run.stage_guidances(stage)).items() if g} for stage in run.stages}
    return {stage: roles | ({"picture"} if run.reference else set()) for stage, roles in used.items()}


@pytest.mark.parametrize("variant", SYSTEMS, ids=lambda variant: variant.name)
def test_every_system_runs_on_built_in_priors(
    variant: object, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimised, optimise = {}, pipeline.optimise

    def watched(stage: str, field: object, reference: object, *rest: object) -> object:
        optimised[stage] = reference is not None
        return optimise(stage, field, reference, *rest)

    monkeypatch.setattr(pipeline, "optimise", watched)
    words = ["animate", "--image", picture, "--prompt", "a snowman bounces", "--quiet", "--out", tmp_path / "out"]
    assert main([str(word) for word in (*words, "--steps-scale", 0.5, *variant.arguments)]) == 0
    options = changed_options(variant.arguments)
    stages = [stage for stage in ("static", "coarse", "fine") if stage not in options["skip"]]
    assert optimised == dict.fromkeys(stages, options["with_reference"])
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [stage["name"] for stage in report["stages"]] == stages
    field = load_field(tmp_path / "out" / "field.safetensors")
    assert field.table.isfinite().all() and field.config.backbone == options["backbone"]
    assert (field.table.shape[0] == 1) == (stages == ["static"])


@pytest.mark.parametrize("name, static, coarse, fine", [
    ("full", {"picture", "image", "view"}, {"picture", "view", "video"}, {"picture", "view", "video", "refine"}),
    ("zero123-v", {"picture", "view"}, {"picture", "video"}, None),
    ("realfusion-v", {"picture", "image"}, {"picture", "video"}, None),
    ("text-to-4d", {"image"}, {"video"}, {"video", "refine"}),
    ("magic123-static", {"picture", "image", "view"}, None, None),
    ("dreamfusion", {"image"}, None, None),
])
def test_what_supervises_each_stage(
    name: str, static: set[str], coarse: set[str] | None, fine: set[str] | None, picture: Path
) -> None:
    expected = {"static": static, "coarse": coarse, "fine": fine}
    assert supervision(name, picture) == {stage: roles for stage, roles in expected.items() if roles is not None}


def test_the_upscaler_repairs_where_it_is_the_refinement(picture: Path) -> None:
    for name in ("x4-upscaler", "text-to-4d"):
        run = prepared(name, picture)
        assert run.guidances.refine.prior is run.priors.upscale.prior


def test_without_a_picture_the_prompt_names_the_subject(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["animate", "--no-reference", "--skip", "coarse", "--skip", "fine", "--quiet", "--out", str(tmp_path / "a")]
    assert main([*words, "--prompt", "a panda is dancing"]) == 0
    assert json.loads((tmp_path / "a" / "report.json").read_text(encoding="utf-8"))["subject"] == "panda"
    capsys.readouterr()
    assert main([*words, "--prompt", "a unicorn is dancing"]) == 2
    assert "the prompt names no subject" in capsys.readouterr().err
    assert main([*words, "--prompt", "a panda", "--mask", "mask.png"]) == 2
    assert "without --image" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["prior-check", "--prompt", "a panda", "--out", str(tmp_path / "b")])
    assert "--image is required" in capsys.readouterr().err


def test_a_picture_that_supervises_nothing_still_has_the_usual_camera(
    picture: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["animate", "--image", str(picture), "--prompt", "a snowman bounces", "--azimuth", "30", "--elevation", "9"]
    options = parser().parse_args([*words, "--no-reference", "--backbone", "HexPlane"])
    run = prepare(animate_run(options))
    assert float(run.camera.azimuth) == 0.0 and float(run.camera.elevation) == 0.0 and run.reference is None
    said = capsys.readouterr().out
    assert "--azimuth" in said and "--elevation" in said


def test_what_an_own_model_is_aligned_to_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="aligned to"):
        RunOptions(None, "a panda", with_reference=False, model=Path("a.glb"))


@pytest.mark.parametrize("prompt, name", [
    ("a panda is dancing", "a panda"),
    ("an astronaut, helmet in hand, rides a white horse", "an astronaut, helmet in hand"),
    ("a cat singing in front of a microphone", "a cat"),
    ("a full-bodied cat is waving its paw", "a full-bodied cat"),
    ("a fox quickly jumps", "a fox"),
    ("a <token> is dancing", "a <token>"),
    ("a red robot", "a red robot"),
    ("un panda danse", "un panda"),
])
def test_the_name_before_the_verb(prompt: str, name: str) -> None:
    assert without_motion(prompt) == name


@pytest.mark.parametrize("prompt", ["dancing", "一只熊猫在跳舞"])
def test_a_prompt_without_a_name_before_its_verb_is_refused(prompt: str) -> None:
    with pytest.raises(ValueError, match="write the object's name alone"):
        without_motion(prompt)


def test_image_to_4d_knows_no_motion(picture: Path, capsys: pytest.CaptureFixture) -> None:
    run = prepared("image-to-4d", picture)
    assert run.options.prompt == "a snowman" and "a guess" in run.understood
    assert "'a snowman'" in capsys.readouterr().out


def test_what_is_left_out_is_part_of_a_runs_identity(picture: Path) -> None:
    """And what a stage does not use is not part of that stage's: systems share it."""
    reference = prepared("full", picture).options.reference
    priors = make_priors(reference, "a snowman bounces", image_size=16)

    def run(**options: bool) -> PreparedRun:
        return prepare(RunOptions(reference, "a snowman bounces", **options), priors)

    whole = run_identity(run())
    assert "False" not in whole["stages"], "a run of before goes on"
    for name in ("with_reference", "with_image", "view_when_moving"):
        assert run_identity(run(**{name: False})) != whole
    still = stage_identity(run(), "static")
    assert stage_identity(run(view_when_moving=False), "static") == still
    assert stage_identity(run(view_when_moving=False), "coarse") != stage_identity(run(), "coarse")
    for name in ("with_image", "with_reference"):
        assert stage_identity(run(**{name: False}), "static") != still
    assert torch.equal(reference.image, run().reference.image)

"""What the presets promise, and what the options refuse."""

from dataclasses import replace

import pytest
import torch

from a124core.field.config import FieldConfig
from a124core.protocols import Guidance, Prior
from a124core.stages.config import (
    CoarseConfig,
    FineConfig,
    LossWeights,
    OptimConfig,
    RenderConfig,
    StageConfig,
    StaticConfig,
    TimeConfig,
)
from a124core.stages.presets import PRESETS, auto_preset, describe_preset, preset
from a124core.stages.schedules import is_normal_phase, masked_levels

NAMES = [name for name in PRESETS if name != "auto"]


def stages(name: str) -> tuple[StaticConfig, CoarseConfig, FineConfig]:
    found = preset(name)
    return found.static, found.coarse, found.fine


def with_picture(stage: StageConfig, scale: float) -> StageConfig:
    """The stage with the picture's terms so many times stronger at each step, and the release's normals."""
    picture = {name: scale * getattr(stage.losses, name) for name in ("rgb", "mask", "depth")}
    render = replace(stage.render, normals="differences")
    return replace(stage, reference_mode="every", render=render, losses=replace(stage.losses, **picture))


@pytest.mark.parametrize("name", NAMES)
def test_steps_count_on_across_stages(name):
    static, coarse, fine = stages(name)
    assert static.step_offset == 0
    assert coarse.step_offset == static.steps
    assert fine.step_offset == static.steps + coarse.steps


@pytest.mark.parametrize("name", ["released", "paper", "released_as_written", "paper_as_printed"])
def test_released_and_paper_have_the_methods_sizes(name):
    static, coarse, fine = stages(name)
    assert (static.steps, coarse.steps, fine.steps) == (5_000, 10_000, 5_000)
    assert {s.render.size for s in (static, coarse, fine)} == {128}
    assert coarse.time == fine.time == TimeConfig("balanced", ticks=256, frames=16, start_rate=0.2)
    found = preset(name).field
    assert (found.time_grids, found.levels) == (64, 16)
    assert (found.base_resolution, found.max_resolution, found.log2_hashmap_size) == (16, 2048, 16)


def test_released_weights_as_written():
    static, coarse, fine = stages("released_as_written")
    assert (static.losses.rgb, static.losses.mask, static.losses.depth) == (1000.0, 100.0, 2.0)
    assert static.losses.time_tv == 0.0 and static.optim.clip == 0.0
    for moving in (coarse, fine):
        w = moving.losses
        assert (w.rgb, w.mask, w.depth, w.time_tv, w.time_tv_form) == (5.0, 0.5, 0.01, 0.1, "tables")
        assert (w.entropy, w.orientation, w.normal_tv, w.normal_blur) == (1e-3, 1e-2, 0.5, 0.5)
        assert moving.optim == OptimConfig(1e-2, 1e-3, 1.0, 0.9, 0.99, 1e-15, 1.0)
        assert moving.reference_mode == static.reference_mode == "released"
    assert preset("released").field.index_mode == "hash"


def test_the_picture_weighs_as_much_as_the_notes_say():
    """docs/deviations.md, "The picture is drowned": 1000 and 5e4, the paper's 5 times 2^16 and 2e4."""
    weights = {name: [(s.losses.rgb, s.losses.mask, s.reference_mode) for s in stages(name)] for name in NAMES}
    assert weights["released"] == [(1e3, 1e2, "every"), (5e4, 5e3, "every"), (5e4, 5e3, "every")] == weights["draft"]
    assert weights["paper"] == [(327_680, 32_768, "every"), (1e5, 1e4, "every"), (1e5, 1e4, "every")]
    assert weights["paper_as_printed"] == [(5.0, 0.5, "paper")] * 3


def test_released_differs_from_what_was_written_in_the_picture_alone():
    written, mended = stages("released_as_written"), stages("released")
    assert mended == tuple(with_picture(old, scale) for old, scale in zip(written, (1, 1e4, 1e4), strict=True))


def test_released_static_keeps_the_releases_ratios():
    """Reconstruction and regularisers went through the same loss scaler: only SDS was weaker than written."""
    written = LossWeights()
    static = stages("released_as_written")[0].losses
    for name in ("rgb", "mask", "depth", "entropy", "orientation", "normal_tv", "normal_blur"):
        assert getattr(static, name) == pytest.approx(200 * getattr(written, name))


def test_paper_has_the_balance_that_the_loss_scaler_made():
    """GradScaler begins at 2^16 and multiplied all but static score distillation."""
    printed, mended = stages("paper_as_printed"), stages("paper")
    assert mended == tuple(with_picture(old, scale) for old, scale in zip(printed, (2**16, 2e4, 2e4), strict=True))


def test_paper_prints_only_reconstruction_and_tv():
    for stage in stages("paper_as_printed"):
        w = stage.losses
        assert (w.rgb, w.mask) == (5.0, 0.5)
        assert w.depth * 0.5 == 0.001  # losses.depth is (1 - r) / 2, the paper weighs 1 - r
        assert (w.entropy, w.orientation, w.normal_tv, w.normal_blur) == (0.0, 0.0, 0.0, 0.0)
        assert (stage.optim.grid_lr, stage.optim.mlp_lr) == (1e-3, 1e-3)
        assert stage.reference_mode == "paper" and stage.render.reference_size == 128
    static, coarse, fine = stages("paper_as_printed")
    assert (static.losses.time_tv, coarse.losses.time_tv, fine.losses.time_tv) == (0.0, 0.1, 0.1)
    assert coarse.losses.time_tv_form == "tables"
    assert preset("paper_as_printed").field.index_mode == "tiled_full"
    assert not any(is_normal_phase(step, static) or masked_levels(step, static) for step in (1, 100, 5000))


def test_demo_runs_on_albedo_and_needs_no_normals():
    for stage in stages("demo"):
        assert not stage.shaded
        w = stage.losses
        assert w.orientation == w.normal_tv == w.normal_blur == 0.0
    assert preset("demo").field.density == "softplus"


def test_draft_is_smaller_than_released_everywhere():
    draft, released = preset("draft"), preset("released")
    for a, b in zip(stages("draft"), stages("released"), strict=True):
        assert a.steps * a.render.size**2 * a.render.samples < b.steps * b.render.size**2 * b.render.samples / 30
        assert (a.losses.rgb, a.losses.mask, a.optim.grid_lr) == (b.losses.rgb, b.losses.mask, b.optim.grid_lr)
    assert draft.field.time_grids * 2**draft.field.log2_hashmap_size * 4 <= released.field.time_grids * 2**16


@pytest.mark.parametrize("name", NAMES)
def test_only_paper_gives_up_the_hash(name):
    assert preset(name).field.index_mode == {"paper": "tiled", "paper_as_printed": "tiled_full"}.get(name, "hash")


def test_unknown_and_unresolved_names_are_refused():
    with pytest.raises(ValueError, match="choose one of auto, demo"):
        preset("fast")
    with pytest.raises(ValueError, match="auto_preset"):
        preset("auto")


class Learned(Prior):
    sigmas = torch.ones(1)


class BuiltIn(Learned):
    exact = True


@pytest.mark.parametrize(
    ("priors", "name"),
    [
        ([], "demo"),
        ([None, None], "demo"),
        ([BuiltIn(), None], "demo"),
        ([BuiltIn(), Learned()], "draft"),
        ([Learned()], "draft"),
    ],
)
def test_auto_is_demo_only_while_all_priors_are_built_in(priors, name):
    guidances = [p if p is None else Guidance(prior=p, weight=1.0, t_min=0.0, t_max=1.0) for p in priors]
    assert auto_preset(guidances) == name
    because = "no model" if name == "demo" else "a model"
    assert (
        describe_preset("auto", guidances) == f"Preset: {name}, chosen by auto because {because} is among the priors."
    )
    assert describe_preset("paper", guidances) == "Preset: paper."


REFUSED = [
    (StaticConfig, {"steps": 0}, "steps is 0: a stage needs at least 1"),
    (CoarseConfig, {"steps": -3}, "steps is -3"),
    (FineConfig, {"steps": float("nan")}, "steps is nan"),
    (StageConfig, {"reference_every": 1}, "reference_every is 1: it must be at least 2"),
    (StageConfig, {"reference_mode": "both"}, "choose one of released, paper, every"),
    (StageConfig, {"background": "black"}, "choose one of random, white"),
    (StageConfig, {"textureless": 1.5}, "textureless is 1.5"),
    (StaticConfig, {"normal_phase": -0.1}, "normal_phase is -0.1"),
    (StaticConfig, {"masked_levels": -1}, "masked_levels is -1"),
    (CoarseConfig, {"moving_camera": 2.0}, "moving_camera is 2.0"),
    (FineConfig, {"refine_frames": 17}, "at most 16"),
    (FineConfig, {"condition": "none"}, "choose one of frozen coarse, current render"),
    (TimeConfig, {"ticks": 10}, "do not fit a time axis of 10"),
    (TimeConfig, {"sampling": "never-zero", "ticks": 16}, "take 17 ticks or more"),
    (TimeConfig, {"frames": 1}, "frames is 1"),
    (TimeConfig, {"sampling": "even"}, "choose one of balanced, random, never-zero"),
    (OptimConfig, {"grid_lr": 0.0}, "above 0"),
    (OptimConfig, {"mlp_lr": float("nan")}, "mlp_lr is nan"),
    (OptimConfig, {"mlp_lr": -1e-3}, "mlp_lr is -0.001: it must be at least 0"),
    (OptimConfig, {"clip_norm": -1.0}, "clip_norm is -1.0"),
    (OptimConfig, {"beta2": 1.0}, "beta2 is 1.0"),
    (OptimConfig, {"lr_end": 2.0}, "lr_end is 2.0"),
    (LossWeights, {"rgb": -1.0}, "rgb is -1.0"),
    (LossWeights, {"time_tv_form": "both"}, "choose one of tables, samples, decoupled"),
    (LossWeights, {"time_tv_form": "decoupled", "time_tv": 1.5}, "time_tv is 1.5: it must be at least 0 and at most 1"),
    (RenderConfig, {"size": 1}, "size is 1"),
    (RenderConfig, {"samples": 0}, "samples is 0"),
    (RenderConfig, {"occupancy_decay": 1.1}, "occupancy_decay is 1.1"),
    (RenderConfig, {"chunk": -1}, "chunk is -1"),
    (FieldConfig, {"time_grids": 0}, "time_grids is 0"),
    (FieldConfig, {"max_resolution": 8}, "max_resolution is 8: it must be at least 16"),
    (FieldConfig, {"index_mode": "dense"}, "choose one of hash"),
    (FieldConfig, {"density": "relu"}, "choose one of exp, softplus"),
    (FieldConfig, {"blob_radius": 0.0}, "blob_radius is 0.0: it must be above 0"),
]


@pytest.mark.parametrize(("kind", "options", "said"), REFUSED)
def test_impossible_options_are_refused_in_plain_words(kind, options, said):
    with pytest.raises(ValueError, match=said):
        kind(**options)


def test_a_stage_needs_a_step():
    with pytest.raises(ValueError, match="at least 1 step"):
        replace(FineConfig(), steps=0)


def test_a_preset_must_have_a_field_that_can_move():
    demo = preset("demo")
    with pytest.raises(ValueError, match="time_grids is 1: it must be at least 2"):
        replace(demo, field=replace(demo.field, time_grids=1))
    with pytest.raises(ValueError, match="masked_levels is 8"):
        replace(demo, static=replace(demo.static, masked_levels=8))

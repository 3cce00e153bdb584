"""Schedules against counted steps, typed-out formulas and closed forms."""

from dataclasses import replace

import pytest
import torch

from a124core.cameras.rig import camera_to_world, make_cameras, reference_camera
from a124core.protocols import Guidance
from a124core.stages import schedules
from a124core.stages.config import CoarseConfig, FineConfig, OptimConfig, StaticConfig

STAGES = [StaticConfig(), CoarseConfig(), FineConfig()]
COUNTS = [(1325, 3675), (2500, 7500), (1250, 3750)]  # reference and novel steps


@pytest.mark.parametrize(("cfg", "counts"), list(zip(STAGES, COUNTS, strict=True)))
def test_released_counts_of_reference_and_novel_steps(cfg, counts):
    kinds = [schedules.renders(step, cfg) for step in range(1, cfg.steps + 1)]
    assert all(reference != novel for reference, novel in kinds)
    assert (sum(r for r, _ in kinds), sum(n for _, n in kinds)) == counts


def test_released_first_99_steps_and_then_every_fourth():
    reference = [step for step in range(1, 120) if schedules.is_reference_step(step, StaticConfig())]
    assert reference == [*range(1, 100), 100, 104, 108, 112, 116]
    coarse = [step for step in range(1, 12) if schedules.is_reference_step(step, CoarseConfig())]
    assert coarse == [4, 8]


def test_released_ignores_where_the_clip_starts():
    for step in (1, 2, 3, 4):
        assert schedules.renders(step, CoarseConfig(), True) == schedules.renders(step, CoarseConfig(), False)


@pytest.mark.parametrize("cfg", [replace(c, reference_mode="paper") for c in STAGES])
def test_paper_renders_both_where_the_clip_starts_at_zero(cfg):
    still = isinstance(cfg, StaticConfig)
    for step in (1, 4, 57, cfg.steps):
        assert schedules.renders(step, cfg, clip_starts_at_zero=True) == (True, True)
        assert schedules.renders(step, cfg, clip_starts_at_zero=False) == (still, True)


def test_learning_rate_falls_linearly_to_its_end():
    cfg = CoarseConfig(steps=101, optim=OptimConfig(lr_end=0.2))
    factors = [schedules.learning_rate_factor(step, cfg) for step in range(1, 102)]
    assert factors[0] == 1.0 and factors[-1] == pytest.approx(0.2) and factors[50] == pytest.approx(0.6)
    assert schedules.learning_rate_factor(77, CoarseConfig()) == 1.0
    assert schedules.learning_rate_factor(1, StaticConfig(steps=1, optim=OptimConfig(lr_end=0.5))) == 1.0


def test_entropy_ramp():
    static, coarse, fine = STAGES
    assert schedules.entropy_factor(1250, static) == pytest.approx(0.5)
    assert schedules.entropy_factor(2500, static) == schedules.entropy_factor(5000, static) == 1.0
    assert schedules.entropy_factor(1, coarse) == pytest.approx(0.667, abs=1e-3)
    assert schedules.entropy_factor(1, fine) == 1.0


def test_fine_levels_are_silent_until_step_3000_and_only_in_the_static_stage():
    static, coarse, fine = STAGES
    assert [schedules.masked_levels(step, static) for step in (1, 3000, 3001, 5000)] == [8, 8, 0, 0]
    assert schedules.masked_levels(1, coarse) == schedules.masked_levels(1, fine) == 0
    assert schedules.masked_levels(1, StaticConfig(masked_until=0.0)) == 0


def modes(cfg: StaticConfig | CoarseConfig, steps: range, rng: torch.Generator) -> list[str]:
    camera = reference_camera()
    return [schedules.shading(step, cfg, rng, camera).mode for step in steps]


def test_static_shading_normals_first_then_a_fifth_textureless(rng):
    cfg = StaticConfig()
    assert modes(cfg, range(1, 1000), rng) == ["normal"] * 999
    later = modes(cfg, range(1000, 5001), rng)
    assert set(later) == {"lambertian", "textureless"}
    assert later.count("textureless") / len(later) == pytest.approx(0.2, abs=0.02)


def test_coarse_and_fine_shading(rng):
    coarse = modes(CoarseConfig(), range(1, 4001), rng)
    assert set(coarse) == {"lambertian", "textureless"}
    assert coarse.count("textureless") / 4000 == pytest.approx(0.2, abs=0.02)
    assert set(modes(FineConfig(), range(1, 500), rng)) == {"lambertian"}


@pytest.mark.parametrize("cfg", [StaticConfig(shaded=False), CoarseConfig(shaded=False)])
def test_unshaded_is_albedo(cfg, rng):
    found = schedules.shading(1, cfg, rng, reference_camera())
    assert (found.mode, found.ambient, found.light) == ("albedo", 1.0, None)


def test_ambient_is_uniform_between_a_tenth_and_one(rng):
    camera = reference_camera()
    ambient = torch.tensor([schedules.shading(1, FineConfig(), rng, camera).ambient for _ in range(4000)])
    assert float(ambient.min()) >= 0.1 and float(ambient.max()) <= 1.0
    assert float(ambient.mean()) == pytest.approx(0.55, abs=0.01)
    assert float(ambient.std()) == pytest.approx(0.9 / 12**0.5, abs=0.01)


def test_light_is_the_camera_centre_and_one_draw_for_all_frames(rng):
    cameras = make_cameras([0.0, 20.0, 40.0], [0.0, 50.0, 100.0])
    state = rng.get_state()
    light = schedules.shading(1, FineConfig(), rng, cameras).light
    rng.set_state(state)
    torch.rand(2, generator=rng)
    n = torch.randn(3, generator=rng)
    for i, centre in enumerate(camera_to_world(cameras)[:, :3, 3]):
        torch.testing.assert_close(light[i], (centre + n) / (centre + n).norm())


def test_mode_moves_no_later_draw():
    """After the same seed, whatever is drawn next is the same for every shading."""
    after = []
    for cfg in (StaticConfig(), StaticConfig(shaded=False), StaticConfig(normal_phase=0.0), FineConfig()):
        rng = torch.Generator().manual_seed(5)
        schedules.shading(1, cfg, rng, reference_camera())
        after.append(float(torch.rand(1, generator=rng)))
    assert len(set(after)) == 1


def test_background(rng):
    colours = torch.stack([schedules.background(StaticConfig(), rng) for _ in range(2000)])
    assert colours.shape == (2000, 3)
    assert colours.mean(0).tolist() == pytest.approx([0.5] * 3, abs=0.03)
    assert schedules.background(StaticConfig(background="white"), rng).tolist() == [1.0] * 3


def guidance(**changes: object) -> Guidance:
    return Guidance(prior=None, **({"weight": 40.0, "t_min": 0.02, "t_max": 0.98} | changes))


def test_noise_range_stays_or_falls_linearly():
    assert [schedules.t_high(guidance(), step, 100) for step in (1, 50, 100)] == [0.98] * 3
    falling = guidance(t_max_end=0.1)
    assert schedules.t_high(falling, 1, 101) == pytest.approx(0.98)
    assert schedules.t_high(falling, 51, 101) == pytest.approx(0.54)
    assert schedules.t_high(falling, 101, 101) == pytest.approx(0.1)
    assert schedules.t_high(guidance(t_min=0.3, t_max_end=0.1), 100, 100) == 0.3


def test_view_prior_weighs_by_angle(rng):
    cameras, reference = make_cameras([0.0, 0.0, 0.0, 45.0], [0.0, 90.0, 180.0, 0.0]), reference_camera()
    weights = schedules.guidance_weights(guidance(angle_weight=True), cameras, reference)
    assert weights.tolist() == pytest.approx([0.0, 20.0, 40.0, 10.0], abs=1e-3)
    assert schedules.guidance_weights(guidance(), cameras, reference).tolist() == [40.0] * 4

"""A whole scene measured: the truth itself, one that stands still, one with two faces, one in drifted colours."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from a124core.cameras.rig import reference_camera
from a124core.evaluation import evaluate as evaluation
from a124core.evaluation import surfaces
from a124core.evaluation.bank_scores import CaptionBank, caption_bank
from a124core.evaluation.evaluate import Renderer, static_baseline
from a124core.evaluation.film import FilmGrid, opposite_views
from a124core.evaluation.plot import COLOURS, draw_scores, nice_ticks
from a124core.evaluation.scores import Geometry, SceneScores, Task, score_scene, truth_of
from a124core.evaluation.surfaces import MovingSurface
from a124core.evaluation.table import COLUMNS, GROUPS, markdown, means, to_csv, to_dict
from a124core.priors.builtin import bank as banks
from a124core.priors.builtin.appearance import Appearance, get_subject
from a124core.priors.builtin.bank import Bank, GroundTruth, camera_lattice
from a124core.protocols import Cameras

GRID = FilmGrid(views=2, times=4, size=48)


@pytest.fixture(scope="module", autouse=True)
def small() -> None:
    patch = pytest.MonkeyPatch()
    torch.set_num_threads(1)
    for name, value in (("LARGE", 24), ("TIMES", 2), ("CAMERAS", 3), ("PATH_TIMES", 4), ("PATH_SIZE", 24)):
        patch.setattr(evaluation, name, value)
    patch.setattr(banks, "SUPERSAMPLED_SIZE", 48)
    patch.setattr(surfaces, "SPACING", 0.03)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def bank() -> CaptionBank:
    camera, snowman = reference_camera(), get_subject("snowman")
    clips = [Appearance(snowman, "drifted", "sway"), Appearance(snowman, "drifted", "jump"),
             Appearance(get_subject("duck"), "drifted", "sway")]
    return caption_bank(Bank(camera, camera_lattice(camera)), clips, 24)


def two_faces(truth: Renderer) -> Renderer:
    """The front again where the back should be."""

    def render(cameras: Cameras, time: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        front = torch.where((cameras.azimuth.abs() - 180).abs() < 60, 0.0, cameras.azimuth)
        return truth(replace(cameras, azimuth=front), time, size)

    return render


@pytest.fixture(scope="module")
def scored(bank: CaptionBank) -> dict[str, SceneScores]:
    truth = truth_of(bank)
    drifted = GroundTruth(replace(truth.appearance, palette="drifted"), 0.0)
    results = {"truth": truth.render, "still": static_baseline(truth.render), "two faces": two_faces(truth.render),
               "drifted": drifted.render}
    return {name: score_scene(r, None, Task(name, bank=bank, grid=GRID)) for name, r in results.items()}


def test_the_truth_scores_best_against_itself(scored: dict[str, SceneScores]) -> None:
    figures = scored["truth"].figures
    best = {"psnr_heldout": 100, "ssim_heldout": 1, "psnr_object": 100, "colour_error": 0, "iou": 1,
            "motion_corr": 1, "motion_amplitude": 1, "bank_r": 1}
    assert {name: round(figures[name], 3) for name in best} == best
    assert figures["janus"] == pytest.approx(figures["janus_truth"], abs=0.25) and figures["janus"] < 0.6
    assert figures["motion"] > 0.02


def test_each_fault_shows_in_its_own_figure(scored: dict[str, SceneScores]) -> None:
    truth, still, janus, drifted = (scored[name].figures for name in ("truth", "still", "two faces", "drifted"))
    assert still["motion"] == still["flicker"] == 0.0 and still["motion_amplitude"] == 0.0
    assert still["bank_f"] == pytest.approx(1.0, abs=1e-5) and still["bank_r"] < truth["bank_r"]
    assert still["bank_t"] < truth["bank_t"]
    assert janus["janus"] == pytest.approx(1.0, abs=1e-3) and truth["janus"] < 0.6
    assert drifted["bank_i"] < truth["bank_i"] - 0.1 and drifted["colour_error"] > 0.05
    assert drifted["bank_r"] == 1.0  # both palettes say the same caption


def test_curves_are_the_figures_over_time(scored: dict[str, SceneScores]) -> None:
    scene = scored["truth"]
    for name in ("bank_r", "bank_t", "bank_i", "motion", "janus"):
        assert len(scene.curves[name]) == GRID.times
        assert np.mean(scene.curves[name]) == pytest.approx(scene.figures[name], abs=1e-5)
    assert len(scene.curves["bank_f"]) == GRID.times - 1 and len(scene.curves["flicker"]) == GRID.times - 2


def test_a_scene_of_which_nothing_is_known_has_the_films_own_figures(bank: CaptionBank) -> None:
    scene = score_scene(truth_of(bank).render, None, Task("it", grid=replace(GRID, times=3), geometry=Geometry()))
    assert set(scene.figures) == {"motion", "flicker", "janus"}
    assert any("no known moving surface" in note for note in scene.notes)


def test_geometry_of_the_truths_own_points_and_of_a_still(bank: CaptionBank) -> None:
    from a124core.evaluation.scores import _add_geometry

    truth = surfaces.truth_surface(truth_of(bank), np.linspace(0.0, 1.0, 3))
    moves, stands = truth, np.repeat(truth[:1], 3, axis=0)
    figures = {}
    for name, points in (("moves", moves), ("stands", stands)):
        scene = SceneScores(name, "")
        geometry = Geometry(result=MovingSurface(list(points), points), frames=3)
        _add_geometry(scene, None, Task(name, bank=bank, geometry=geometry), lambda *_: None)
        figures[name] = scene.figures
        assert "not aligned" in scene.notes[-1] and len(scene.curves["cd_4d"]) == 3
    assert figures["moves"] == {"cd_3d": 0.0, "cd_4d": 0.0, "cd_m": 0.0}
    travelled = np.linalg.norm(truth - truth[:1], axis=-1).mean()
    assert figures["stands"]["cd_m"] == pytest.approx(2 * travelled)


def test_the_grid_is_the_papers_by_default() -> None:
    grid = FilmGrid()
    assert grid.is_paper and grid.describe() == "10 views x 64 times, 400 px, white"
    cameras = grid.cameras(reference_camera(0.0, 45.0))
    assert cameras.azimuth.tolist() == pytest.approx([45.0 + 36.0 * k for k in range(10)])
    assert torch.equal(grid.time(), torch.arange(64) / 64)
    tilted = grid.cameras(reference_camera(10.0, 0.0))
    assert len(tilted) == 11 and float(tilted.elevation[-1]) == 10.0 and float(tilted.elevation[:-1].abs().max()) == 0.0
    assert opposite_views(tilted, reference_camera(10.0, 0.0), 10) == (0, 5, 0.0)
    three = FilmGrid(views=3).cameras(reference_camera(0.0, 45.0))
    assert opposite_views(three, reference_camera(0.0, 45.0), 3) == (0, 1, pytest.approx(60.0, abs=1e-4))
    with pytest.raises(ValueError, match="times is 2"):
        FilmGrid(times=2)


def scene(name: str, **figures: float | None) -> SceneScores:
    return SceneScores(name, "a cat", figures, {"clip_t": [0.1, 0.3]}, ["Films: few."])


def test_the_table_has_every_figure_once_and_a_dash_where_there_is_none() -> None:
    assert sorted(name for _, members in GROUPS for name in members) == sorted(COLUMNS)
    text = markdown([scene("a|b", clip_t=0.25, iou=None), scene("c", clip_t=0.35)])
    lines = text.splitlines()
    assert "| scene | CLIP-T + |" in text.replace("  ", "") or any("CLIP-T +" in line for line in lines)
    assert any(line.startswith("| a/b") and "0.2500" in line for line in lines)
    assert any(line.startswith("| mean") and "0.3000" in line for line in lines)
    iou = next(k for k, line in enumerate(lines) if "IoU" in line)
    assert lines[iou + 2].rstrip(" |").endswith("-") and lines.count("- Films: few.") == 1
    widths = {len(line) for line in lines[2:7] if line.startswith("|")}
    assert len(widths) == 1  # read as it is, the columns are straight


def test_rows_for_a_spreadsheet_and_means() -> None:
    scenes = [scene("a", clip_t=0.25, motion_corr=None), scene("b", clip_t=0.35, motion_corr=math.nan)]
    rows = list(csv.DictReader(io.StringIO(to_csv(scenes))))
    assert [row["scene"] for row in rows] == ["a", "b"] and float(rows[1]["clip_t"]) == 0.35
    assert rows[0]["motion_corr"] == rows[1]["motion_corr"] == ""
    assert means([scene("a", clip_t=0.2), scene("b", clip_t=0.4, iou=None)])["clip_t"] == pytest.approx(0.3)
    assert to_dict(scenes)["scenes"][0]["curves"] == {"clip_t": [0.1, 0.3]}


def test_the_plot_has_a_panel_for_each_curve_and_ink_for_each_scene() -> None:
    image = draw_scores([scene("a"), scene("b")])
    assert image.shape[:2] == (1, 3) and 0.0 <= float(image.min()) < float(image.max()) == 1.0
    blue = (image[0].permute(1, 2, 0) - torch.tensor(COLOURS[0]) / 255).abs().amax(-1) < 0.1
    assert blue.any()
    many = draw_scores([scene(str(k)) for k in range(len(COLOURS) + 1)])
    assert many.shape[-1] == image.shape[-1]
    assert draw_scores([SceneScores("none", "")]).std() > 0  # it says that there is nothing


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.31, 0.34), (-20.0, 75.0), (0.5, 0.5), (0.0, 0.0), (0.00088743, 0.00088743)]
)
def test_ticks_are_round_and_hold_all_values(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert max(len(f"{tick:.6g}") for tick in ticks) <= 6  # fits beside the panel
    assert ticks[0] <= low + 1e-9 and ticks[-1] >= high - 1e-9 and 3 <= len(ticks) <= 6 and ticks[0] < ticks[-1]

"""Means over scenes and seeds, intervals over seeds, and which runs are comparable."""

from __future__ import annotations

import pytest

from a124core.cli.table import RunFigures, compared_scenes, figure_names, markdown_table, summary


def runs(values: dict[tuple[str, str, int], float | None]) -> list[RunFigures]:
    return [RunFigures(*cell, {"psnr_heldout": value}) for cell, value in values.items()]


def test_the_interval_is_students_over_the_seeds_means() -> None:
    """Three seeds, two scenes: seed means 2, 4, 9; mean 5, standard deviation 3.6056, t(0.975, 2) = 4.3027."""
    values = {("full", scene, seed): mean + offset for seed, mean in enumerate((2.0, 4.0, 9.0))
              for scene, offset in (("a", -1.0), ("b", 1.0))}
    interval, difference = summary(runs(values), ["full"], "psnr_heldout")["full"]
    assert interval.mean == pytest.approx(5.0) and (interval.scenes, interval.seeds) == (2, 3)
    assert interval.half == pytest.approx(4.3027 * 3.6056 / 3**0.5, rel=1e-4)
    assert difference.mean == 0 and difference.half == 0


def test_the_interval_over_scenes_is_students_over_their_means() -> None:
    """Three scenes of means 2, 4, 9 over their seeds, the last of one seed only."""
    values = {("full", scene, seed): mean + offset for scene, mean in (("a", 2.0), ("b", 4.0), ("c", 9.0))
              for seed, offset in enumerate((-1.0, 1.0))}
    values[("full", "c", 0)] = 9.0
    del values[("full", "c", 1)]
    interval, _ = summary(runs(values), ["full"], "psnr_heldout", over_scenes=True)["full"]
    assert interval.mean == pytest.approx(5.0) and (interval.scenes, interval.seeds) == (3, 2)
    assert interval.half == pytest.approx(4.3027 * 3.6056 / 3**0.5, rel=1e-4)


def test_differences_are_paired_by_scene_and_seed() -> None:
    """Seeds differ by 10 and the systems by 1 in all of them: the difference is known exactly."""
    values = {("full", "a", s): 10.0 * s for s in (0, 1)} | {("other", "a", s): 10.0 * s + 1.0 for s in (0, 1)}
    _, difference = summary(runs(values), ["full", "other"], "psnr_heldout")["other"]
    assert difference.mean == pytest.approx(1.0) and difference.half == pytest.approx(0.0)


def test_all_rows_are_means_over_the_same_runs() -> None:
    """Scene b lacks a seed of one system: it counts nowhere. A system without any value takes nothing from others."""
    values = {(name, scene, seed): {"a": 1.0, "b": 100.0}[scene] for name in ("full", "other") for scene in "ab"
              for seed in (0, 1)}
    values[("other", "b", 1)] = None
    values[("absent", "a", 0)] = None
    means = summary(runs(values), ["full", "other", "absent"], "psnr_heldout")
    assert compared_scenes(runs(values), ["full", "other", "absent"]) == (["a"], ["b"])
    assert set(means) == {"full", "other"} and all(interval.mean == 1.0 for interval, _ in means.values())
    del values[("full", "a", 0)], values[("full", "b", 1)]
    means = summary(runs(values), ["full", "other"], "psnr_heldout")  # no scene is complete: what both have
    assert means["full"][0].mean == pytest.approx((100.0 + 1.0) / 2)
    assert compared_scenes(runs(values), ["full", "other"]) == (["a", "b"], [])
    assert compared_scenes([RunFigures("full", "a", 0, {})], ["full"]) == ([], ["a"]), "nobody knows the answer"


def test_one_seed_has_no_interval_and_nothing_is_a_dash() -> None:
    values = [RunFigures("full", "a", 0, {"new_metric": 0.25, "psnr_heldout": 20.0, "path": None})]
    assert figure_names(values) == ["psnr_heldout", "new_metric", "path"]
    lines = markdown_table(values, ["full", "not-there"], [(name, name) for name in figure_names(values)])
    assert lines[2] == "| full | 20.0 | 0.250 | - |" and lines[3] == "| not there | - | - | - |"

"""The bench of sharpness changes what its names say, and no variant is refused."""

from __future__ import annotations

import pytest

from a124core.stages.presets import preset
from benchmarks.sharpness import VARIANTS, changed, parsed_changes


@pytest.mark.parametrize("name", ["demo", "good"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_is_a_fine_stage(name: str, variant: str) -> None:
    fine = changed(preset(name).fine, VARIANTS[variant])
    for path, value in VARIANTS[variant].items():
        part = fine
        for step in path.split("."):
            part = getattr(part, step)
        assert part == value
    assert variant == "as it is" or fine != preset(name).fine or name == "good"


def test_changes_of_one_part_are_made_together() -> None:
    """Alone, more frames than ticks would be refused."""
    settings = changed(preset("demo"), parsed_changes(
        ["coarse.time.frames=80", "coarse.time.ticks=96", "fine.time.sampling=stratified", "field.max_resolution=144"]
    ))
    assert (settings.coarse.time.frames, settings.coarse.time.ticks) == (80, 96)
    assert settings.fine.time.sampling == "stratified" and settings.field.max_resolution == 144
    assert settings.static == preset("demo").static


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="sharpness"):
        changed(preset("demo"), {"fine.sharpness": 2})

"""Sides in pixels that a network can get."""

from __future__ import annotations

import pytest

from a124core.priors.latents import check_image_size


@pytest.mark.parametrize("size", [500, 0, -64, 4104, 2**40])
def test_sizes_past_a_widget_are_refused_in_one_sentence(size: int) -> None:
    with pytest.raises(ValueError, match=f"^size is {size}: this model needs a multiple of 8 pixels, at most 4096.$"):
        check_image_size(size)


def test_usual_sizes_pass() -> None:
    for size in (16, 64, 256, 512, 1000, 4096):
        check_image_size(size)

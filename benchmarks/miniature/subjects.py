"""The subjects: held-out drawings, on which no number was tuned, each with a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from a124core.export.images.sheets import write_png
from a124core.export.images.video import to_bytes
from a124core.utils.files import write_json

from ..drawings import HELD_OUT

CAPTIONS = {  # the motions that the drawings have
    "fox": "a fox is nodding",
    "elephant": "an elephant is walking",
    "tree": "a tree is swaying",
    "ship": "a ship is rocking",
    "goose": "a goose is walking",
    "bear": "a bear is waving",
}


def write_subjects(folder: Path) -> None:
    """Write NAME/rgba.png and captions.json as the benchmark reads them. Those that are there stay as they are."""
    for name in CAPTIONS:
        path = folder / name / "rgba.png"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            reference = HELD_OUT[name].reference()
            layers = torch.cat((reference.image, reference.mask.expand_as(reference.image)))
            colour, alpha = to_bytes(layers)
            write_png(path, Image.fromarray(np.dstack((colour, alpha[..., :1]))))
    write_json(folder / "captions.json", CAPTIONS)

"""Captions of files and of the paper: what is refused, and what is only said."""

from __future__ import annotations

from pathlib import Path

import pytest

from a124core.evaluation.captions import PAPER, candidates_from, paper_candidates, read_captions, scene_captions


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_paper_has_24_pairs_and_chance_is_4_percent() -> None:
    assert len(PAPER) == len(set(PAPER.values())) == 24
    assert paper_candidates().chance == pytest.approx(0.0417, abs=1e-4)
    assert "24 captions" in paper_candidates().describe() and "4.2 %" in paper_candidates().describe()


def test_a_caption_of_its_own_is_added_once() -> None:
    own = paper_candidates().with_caption("a robot is swaying")
    assert len(own.captions) == 25 and own.captions[-1] == "a robot is swaying" and "with its own" in own.describe()
    assert paper_candidates().with_caption("a panda is dancing") == paper_candidates()


def test_names_that_are_missing_extra_or_doubled(tmp_path: Path) -> None:
    file = write(tmp_path / "captions.json", '{"fox": "a fox runs", "cat": "a cat  sleeps"}')
    captions = read_captions(file)
    assert captions == {"fox": "a fox runs", "cat": "a cat sleeps"}
    assert scene_captions(captions, ["cat", "fox"]) == ({"cat": "a cat sleeps", "fox": "a fox runs"}, "")
    with pytest.raises(ValueError, match=r"^no caption for dog among fox, cat: write \{.*\}\.$"):
        scene_captions(captions, ["fox", "dog"])
    own, note = scene_captions(captions, ["fox"])
    assert own == {"fox": "a fox runs"} and note == "Captions without a scene here, still among the candidates: cat."
    doubled = write(tmp_path / "twice.json", '{"fox": "a fox runs", "fox": "a fox sits"}')
    with pytest.raises(ValueError, match=r"has 'fox' twice: leave one of them\.$"):
        read_captions(doubled)


def test_the_captions_of_a_benchmark_are_read_too(tmp_path: Path) -> None:
    text = '{"fox": {"caption": "a fox runs", "refine_prompt": "a <token> runs"}, "cat": "a cat sleeps"}'
    assert read_captions(write(tmp_path / "captions.json", text)) == {"fox": "a fox runs", "cat": "a cat sleeps"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "not JSON"), ("[]", "not an object"), ('{"fox": 3}', "the caption of 'fox' is 3"),
     ('{"fox": " "}', "'fox': the prompt is empty")],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as error:
        read_captions(write(tmp_path / "captions.json", text))
    assert str(error.value).count("\n") == 0 and str(error.value).endswith(".")


def test_candidates_are_at_least_one_and_no_two_alike() -> None:
    assert candidates_from(["a cat", "a dog "], "of the box").captions == ("a cat", "a dog")
    with pytest.raises(ValueError, match="empty"):
        candidates_from([], "of the box")
    with pytest.raises(ValueError, match=r"there twice \(a cat\)"):
        candidates_from(["a cat", "a  cat"], "of the box")

"""Names of files to write: validated when the job is queued, not after hours of work."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

WRITERS = ("A124ExportFrames", "A124ExportMesh", "A124ExportViewer", "A124SaveField")
BAD = ["../away", "/tmp/away", "CON", "a\\b", "a?b", "", " ", "a.", "x" * 121]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_when_queued(
    nodes: dict[str, type], workspace: Path, pack_module: Callable[[str], ModuleType], refusal: Callable[..., str],
    writer: str, name: str,
) -> None:
    shown = pack_module("nodes.queued").panel_text
    message = refusal(nodes[writer], name=name)
    assert shown(f"the name {name!r}") in message and "use a plain name such as" in message
    assert not workspace.exists(), "looking writes nothing"


@pytest.mark.parametrize("writer", WRITERS)
def test_a_good_name_and_one_that_comes_by_a_wire_pass(nodes: dict[str, type], workspace: Path, writer: str) -> None:
    for name in ("robot", "cats/tabby", "Größe 2", None):
        assert nodes[writer].VALIDATE_INPUTS(name=name) is True
    assert not workspace.exists()


def test_a_file_where_a_folder_is_needed(nodes: dict[str, type], workspace: Path) -> None:
    workspace.mkdir(parents=True)
    (workspace / "cats").write_text("mine")
    message = nodes["A124SaveField"].VALIDATE_INPUTS(name="cats/tabby")
    assert "‘cats∕tabby’ needs a folder where" in message and message.endswith("is a file: use another name.")
    with pytest.raises(ValueError, match="use another name"):
        nodes["A124SaveField"]().save(None, name="cats/tabby")
    assert nodes["A124SaveField"].VALIDATE_INPUTS(name="cats") is True, "the number behind it makes it another name"


def test_a_link_that_leads_out_of_the_folder(nodes: dict[str, type], workspace: Path, tmp_path: Path) -> None:
    workspace.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (workspace / "cats").symlink_to(tmp_path / "elsewhere")
    assert "does not stay in" in nodes["A124ExportViewer"].VALIDATE_INPUTS(name="cats/tabby")


def test_where_it_was_saved_has_no_dot_behind_it(workspace: Path, pack_module: Callable[[str], ModuleType]) -> None:
    saved = pack_module("nodes.result.saving").saved
    (workspace / "film_00001_").mkdir(parents=True)
    assert saved(workspace.resolve() / "film_00001_") == "Saved in the output folder as animate124/film_00001_/"
    assert saved(workspace.resolve() / "a_00001_.glb") == "Saved in the output folder as animate124/a_00001_.glb"


NOON = time.struct_time((2031, 2, 3, 4, 5, 6, 0, 34, 0))


@pytest.mark.parametrize(
    ("name", "filled"),
    [
        ("cat", "cat"),
        ("%date:yyyy-MM-dd%/cat", "2031-02-03/cat"),
        ("%date:yy M d h m s hh:mm:ss%", "31 2 3 4 5 6 04:05:06"),
        ("%year%%month%%day%-%hour%%minute%%second%", "20310203-040506"),
        ("cat_%width%x%height%", "cat_320x200"),
        ("100%_%KSampler.seed%", "100%_%KSampler.seed%"),
    ],
)
def test_tokens_are_filled_as_save_image_does(pack_module: Callable[[str], ModuleType], name: str, filled: str) -> None:
    assert pack_module("nodes.host.name_tokens").fill(name, (320, 200), NOON) == filled


@pytest.mark.parametrize("writer", WRITERS)
def test_a_name_with_tokens_passes_and_is_filled(
    nodes: dict[str, type], workspace: Path, pack_module: Callable[[str], ModuleType], refusal: Callable[..., str],
    writer: str,
) -> None:
    assert nodes[writer].VALIDATE_INPUTS(name="%date:yyyy%/cat_%width%") is True
    assert "holds a character" in refusal(nodes[writer], name="%date:hh:mm%/cat")
    path = pack_module("nodes.result.saving").free_path("%date:yyyy%/cat_%width%", ".glb", (64, 32))
    assert path == workspace.resolve() / time.strftime("%Y") / "cat_64_00001_.glb"

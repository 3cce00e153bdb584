"""The page for blind votes, opened from disk: votes are clicked, counted, saved and added up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from a124core.cli.benchmark.plan import Plan, Task
from a124core.cli.benchmark.scenes import Scene
from a124core.cli.benchmark.views import REFERENCE
from a124core.cli.benchmark.vote_page import QUESTIONS, VIDEO, write_vote_page
from a124core.cli.variants import variants_named
from a124core.export.images.sheets import write_image
from a124core.export.images.video import write_video

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = ("full", "no-view-prior", "no-refinement")
CAPTIONS = {"ann": "a cat </script><b>sings</b> & \"dances\"", "bob": "熊猫在跳舞", "cy": "a fish swims"}
COLOURS = dict(zip(NAMES, ((0.8, 0.2, 0.2), (0.2, 0.8, 0.2), (0.2, 0.2, 0.8)), strict=True))


@pytest.fixture
def votes_page(tmp_path: Path) -> Path:
    """Three scenes, three methods; cy lacks one of them. Every method's videos have its colour."""
    tasks: dict[str, dict[str, Task]] = {}
    for scene in CAPTIONS:
        for name in NAMES[:2] if scene == "cy" else NAMES:
            folder = tmp_path / scene / name
            folder.mkdir(parents=True)
            still = torch.tensor(COLOURS[name]).view(3, 1, 1).expand(3, 32, 64)
            write_video(folder / VIDEO, [still] * 16, 8.0)
            write_image(folder / REFERENCE, still[:, :, :32])
            tasks.setdefault(scene, {})[name] = Task(scene, name, 0, (), folder)
    scenes = tuple(Scene(name, prompts={"caption": text}) for name, text in CAPTIONS.items())
    return write_vote_page(tmp_path / "votes.html", Plan(scenes, variants_named(NAMES), (0,), ()), tasks)


def wait_for_message(tab: Page, text: str) -> None:
    tab.locator("#message").filter(has_text=text).wait_for()


def sides(tab: Page) -> tuple[str, str, str]:
    """The scene on the page, and the methods at the left and at the right, by their videos."""
    return tuple(tab.evaluate("""() => { const { scenes } = study.data;
      const [scene, content] = Object.entries(scenes).find(([, s]) => s.caption === study.caption.textContent);
      return [scene, ...study.videos.map((v) => Object.keys(content.videos).find((n) => content.videos[n] === v.src))];
    }"""))


def answer(tab: Page, preferred: dict[str, str]) -> list[tuple[str, str]]:
    """Go through all pairs and vote on each question for the baseline or ours; return the pairs."""
    pairs = []
    while True:
        scene, left, right = sides(tab)
        assert "full" in (left, right)
        pairs.append((scene, left if right == "full" else right))
        for question, choice in preferred.items():
            side = "A" if (left != "full") == (choice == "baseline") else "B"
            tab.locator(f"input[name={question}][value={side}]").check()
        if tab.locator("button[name=next]").is_disabled():
            return pairs
        tab.locator("button[name=next]").click()


def saved(tab: Page, path: Path) -> dict:
    with tab.expect_download() as download:
        tab.locator("button[name=save]").click()
    download.value.save_as(path)
    return json.loads(path.read_text(encoding="utf-8"))


def shares(exported: dict) -> dict[tuple[str, str], tuple[int, float | None]]:
    return {(row["baseline"], row["question"]): (row["pairs"], row["share"]) for row in exported["counts"]}


def test_votes_are_clicked_counted_saved_and_those_of_others_added(tab: Page, votes_page: Path, tmp_path: Path) -> None:
    tab.set_default_timeout(60_000)  # videos on a busy machine
    tab.goto(votes_page.as_uri())
    visible = tab.locator("main").inner_text()
    assert not [name for name in NAMES if name in visible], "nothing on the page names a method"
    first = answer(tab, {"text": "baseline", "image": "ours", "quality": "baseline"})
    assert sorted(first) == sorted((scene, name) for scene in CAPTIONS for name in NAMES[1:]
                                   if (scene, name) != ("cy", "no-refinement")), "each pair once"
    assert "Pair 5 of 5; 15 of 25 questions answered." in tab.locator("#progress").inner_text()
    one = saved(tab, tmp_path / "one.json")
    assert one["voters"] == 1 and len(one["votes"]) == 15 and set(QUESTIONS) == set(one["questions"])
    counted = shares(one)
    for baseline, pairs in (("no-view-prior", 3), ("no-refinement", 2)):
        assert counted[baseline, "text"] == (pairs, 1.0) and counted[baseline, "image"] == (pairs, 0.0)
        assert counted[baseline, "amount"] == (0, None), "no vote, no share"

    tab.locator("button[name=previous]").click()  # answers are there again, and can be changed
    assert tab.locator("input[name=text]:checked").count() == 1 and tab.locator("input:checked").count() == 3
    scene, left, right = sides(tab)
    tab.locator(f"input[name=text][value={'A' if left == 'full' else 'B'}]").check()
    changed = saved(tab, tmp_path / "changed.json")
    baseline = left if right == "full" else right
    assert len(changed["votes"]) == 15 and shares(changed)[baseline, "text"][1] == {3: 2 / 3, 2: 1 / 2}[
        shares(changed)[baseline, "text"][0]]

    others = []
    for number, choice in enumerate(("ours", "ours")):  # two more people, who disagree with the first on text
        votes = [{**vote, "voter": f"other{number}", "choice": choice} for vote in one["votes"]]
        others.append(tmp_path / f"other{number}.json")
        others[-1].write_text(json.dumps({**one, "votes": votes}))
    tab.locator("#load").set_input_files([str(path) for path in others])
    wait_for_message(tab, "other1.json: 15 votes of others.")
    everybody = shares(saved(tab, tmp_path / "all.json"))
    assert all(everybody[name, "text"][1] == 0.0 for name in NAMES[1:]), "two of three prefer ours"
    table = tab.locator("#counts").inner_text()
    assert "3 voters" in table and "no-refinement" in table and "0.0000 of 3" in table
    for text, why in (("{", "it is not JSON"), ("{}", "it holds no votes"),
                      (json.dumps({**one, "study": "x"}), "its votes are on other videos")):
        (tmp_path / "wrong.json").write_text(text)
        tab.locator("#load").set_input_files(str(tmp_path / "wrong.json"))
        wait_for_message(tab, f"wrong.json was not added: {why}.")
    tab.reload()
    assert "15 of 25 questions answered." in tab.locator("#progress").inner_text(), "kept by the browser"


def test_ties_prefer_neither_and_sides_are_drawn_by_chance(tab: Page, votes_page: Path) -> None:
    tab.goto(votes_page.as_uri())
    tied = tab.evaluate("""() => { const vote = (voter, choice) => ({ voter, choice, scene: "ann",
        baseline: "no-refinement", question: "text" });
      study.others = [vote("x", "ours"), vote("y", "baseline")];
      return study.exported().counts.find((row) => row.baseline === "no-refinement" && row.question === "text"); }""")
    assert (tied["pairs"], tied["ties"], tied["share"]) == (1, 1, 0)
    drawn = tab.evaluate("""() => Array.from({ length: 40 }, () => { localStorage.clear();
      const root = document.createElement("div"), { order } = new study.constructor(root, study.data);
      return [order[0].baselineLeft, order[0].pair]; })""")
    assert {left for left, _ in drawn} == {True, False} and len({pair for _, pair in drawn}) > 2


def test_one_method_alone_makes_no_page(tmp_path: Path) -> None:
    task = Task("ann", "full", 0, (), tmp_path)
    plan = Plan((Scene("ann"),), variants_named(["full"]), (0,), ())
    assert write_vote_page(tmp_path / "votes.html", plan, {"ann": {"full": task}}) is None

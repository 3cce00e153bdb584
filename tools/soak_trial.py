"""A real ComfyUI for the trials of tools/soak_host.py: a workflow of seconds, and what the optimizers left on disk."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from contextlib import AbstractContextManager
from pathlib import Path

from safetensors.torch import load_file

from a124core.runs.store import RunStore
from a124core.stages.loop import STAGES
from tests.host.server import Host, install_pack, running_host

STEPS = {"static": 40, "coarse": 6, "fine": 4}
SLOTS, RESULT = ("a.safetensors", "b.safetensors"), "field.safetensors"  # names of nodes/optimize/store.py
INTERVAL = 0.5  # seconds between two saves
SIZES = {"size": 24, "reference_size": 24, "samples": 32, "occupancy_size": 16, "occupancy_slices": 2}
PATIENCE = 1800.0  # seconds for one prompt; longer is a hang
ADD_ON = '''"""Let the optimizers save often and render small, and write down each of their steps."""

import dataclasses
import os
import sys
import time

from server import PromptServer

NODE_CLASS_MAPPINGS = {{}}
STEPS = os.open({steps!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
changed = set()


def change(prompt):
    """Called with each prompt: by then the pack is loaded, whatever the order of the folders."""
    for name in [n for n in sys.modules if n.endswith(".nodes.optimize.run") and n not in changed]:
        changed.add(name)
        run = sys.modules[name]
        often = {{"snapshot": {interval}, "first_snapshot": {interval}, "snapshot_share": 1.0, "snapshot_rate": 1e18}}
        run.INTERVALS = dataclasses.replace(run.INTERVALS, **often)
        stages = sys.modules[name.removesuffix("run") + "stages"]
        follow, full = run.NodeProgress.on_step, stages.chosen_preset

        def small(*arguments, full=full):
            preset = full(*arguments)
            return dataclasses.replace(preset, **{{stage: cut(getattr(preset, stage)) for stage in {stages!r}}})

        def on_step(self, step, follow=follow):
            os.write(STEPS, f"{{step.stage}} {{step.step}} {{time.monotonic()}}\\n".encode())
            follow(self, step)

        run.NodeProgress.on_step, stages.chosen_preset = on_step, small
    return prompt


def cut(config):
    """Render few pixels: a step in a tenth of the time."""
    return dataclasses.replace(config, render=dataclasses.replace(config.render, **{sizes!r}))


PromptServer.instance.add_on_prompt_handler(change)
'''


def workflow(seed: int, scale: int = 1) -> dict[str, dict]:
    """Return the three stages on a coarse grid, from the example picture to a saved field, in the host's API form."""
    view = {"radius": 1.8, "fovy": 40.0, "elevation": 0.0, "azimuth": 0.0}
    grid = {"backbone": "4D grid", "index_mode": "as the preset", "levels": 4, "time_grids": 4, "loop": False}

    def stage(name: str, **wires: list) -> dict:
        common = {"preset": "demo", "memory": "auto", "steps": STEPS[name] * scale, "seed": seed, "resume": "auto"}
        return {**common, "reference": ["2", 0], "view_guidance": ["3", 1], **wires}

    nodes = [
        ("A124ExamplePicture", {"subject": "duck"}),
        ("A124Reference", {"image": ["1", 0], "mask": ["1", 1], "mask_marks": "auto", "recentre": False, **view}),
        ("A124BuiltInPriors", {"prompt": "a duck", "motion": "jump"}),
        ("A124FieldConfig", grid),
        ("A124StaticOptimizer", stage("static", image_guidance=["3", 0], field_config=["4", 0])),
        ("A124CoarseOptimizer", stage("coarse", field=["5", 0], video_guidance=["3", 2], field_config=["4", 0])),
        ("A124FineOptimizer", stage("fine", field=["6", 0], video_guidance=["3", 2], refine_guidance=["3", 3])),
        ("A124SaveField", {"field": ["7", 0], "name": f"seed-{seed}"}),
    ]
    nodes[6][1]["condition"] = "frozen coarse"
    return {str(k): {"class_type": kind, "inputs": inputs} for k, (kind, inputs) in enumerate(nodes, 1)}


class Trial:
    """A base directory with the pack and the add-on, whose hosts must leave nothing wrong in it."""

    def __init__(self, comfyui: Path, base: Path, seed: int) -> None:
        self.comfyui, self.base, self.rng = comfyui, base, random.Random(seed)
        self.output, self.steps = base / "output" / "animate124", base / "steps.txt"
        self.faults: list[str] = []
        shutil.rmtree(base, ignore_errors=True)
        install_pack(base)
        source = ADD_ON.format(steps=str(self.steps), interval=INTERVAL, sizes=SIZES, stages=STAGES)
        (base / "custom_nodes" / "save_often.py").write_text(source, encoding="utf-8")

    def host(self, *options: str) -> AbstractContextManager[Host]:
        return running_host(self.comfyui, self.base, *options)

    def saved_field(self, seed: int) -> str | None:
        """Return a digest of the tensors that a finished workflow saved, and delete the file; None if there is none."""
        path = self.output / f"seed-{seed}_00001_.safetensors"
        if not path.is_file():
            return None
        digest = hashlib.sha256()
        for name, tensor in sorted(load_file(path).items()):
            digest.update(name.encode() + tensor.numpy().tobytes())
        path.unlink()
        return digest.hexdigest()

    def undisturbed(self, host: Host, seed: int, scale: int = 1) -> str:
        """Run a workflow from its beginning to its end, and forget it."""
        host.run(workflow(seed, scale), PATIENCE)
        self.forget(host)
        self.rows()
        digest = self.saved_field(seed)
        if digest is None:
            raise RuntimeError(f"the undisturbed run saved no field:\n{host.tail()}")
        return digest

    def forget(self, host: Host) -> None:
        """Delete what the optimizers keep, on disk and in the cache of the host."""
        shutil.rmtree(self.output / "snapshots")
        host.post("/free", {"unload_models": True, "free_memory": True})
        time.sleep(2.0)  # it does so when it is idle

    def compare(self, name: str, digest: str | None, whole: str) -> None:
        """Take down a result that is not the one of an undisturbed run."""
        if digest != whole:
            self.faults.append(f"{name}: {'no result' if digest is None else 'a different result'}")

    def rows(self) -> list[tuple[str, int, float]]:
        """Return (stage, step, time.monotonic()) of the steps done since this was asked last."""
        lines = self.steps.read_text(encoding="utf-8").splitlines() if self.steps.is_file() else []
        self.steps.write_text("")  # emptied: a host that runs appends to it
        return [(stage, int(step), float(at)) for stage, step, at in map(str.split, lines)]

    def saved_step(self, scale: int = 1) -> tuple[int, int]:
        """Return the stage's number and the step that the workflow continues from."""
        done = [(0, 0)]
        for number, stage in enumerate(STAGES):
            for folder in self.output.glob(f"snapshots/{stage}-*/"):
                store = RunStore(folder, SLOTS)
                snapshot = store.newest()
                done += [(number, STEPS[stage] * scale)] if store.usable_result(RESULT) is not None else []
                done += [(number, snapshot.step)] if snapshot is not None else []
        return max(done)

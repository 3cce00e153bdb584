"""The drawings of benchmarks and tests: what is tuned on is not held out, and no name is a built-in subject's."""

from a124core.priors.builtin import MOTIONS
from a124core.priors.builtin.prompt import SUBJECTS
from benchmarks.drawings import DRAWINGS, HELD_OUT, TUNED_ON


def test_tuned_on_and_held_out_are_apart() -> None:
    assert not TUNED_ON.keys() & HELD_OUT.keys()
    assert not {each.draw for each in TUNED_ON.values()} & {each.draw for each in HELD_OUT.values()}
    assert not TUNED_ON.keys() & set(SUBJECTS)  # benchmarks of scenes name both kinds alike


def test_each_drawing_has_its_motion_and_its_subject() -> None:
    for name, each in DRAWINGS.items():
        assert each.motion in MOTIONS, name
    for name in ("ring", "car"):
        mask = TUNED_ON[name].reference().mask
        assert 0.05 < float(mask.mean()) < 0.6

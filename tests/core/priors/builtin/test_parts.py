"""Own pictures move by the parts of their outline: which they are, how they turn, that nothing leaves the image."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.builtin import MOTIONS, Manner, RequestedMotion, make_priors
from a124core.priors.builtin.appearance import STILL, Appearance, animate, get_subject, render_appearance
from a124core.priors.builtin.fit import fit_note, fitting_manner, frame_extent, motion_gain
from a124core.priors.builtin.motions import move
from a124core.priors.builtin.puppet.inflate import inflate
from a124core.priors.builtin.puppet.parts import describe_parts, part_skeleton
from a124core.priors.builtin.subject import Subject
from a124core.reference.reference import make_reference
from benchmarks.drawings import silhouettes

MASKS = {name.lower(): getattr(silhouettes, name) for name in (
    "CAT", "DOG", "PERSON", "EAGLE", "PLANT", "CAR", "PENCIL", "STRING", "BLOB", "TWO"
)}
TIMES = torch.arange(33) / 32


@cache
def subject(name: str) -> Subject:
    mask = silhouettes.ring() if name == "ring" else silhouettes.silhouette(MASKS[name])
    image = 0.2 + 0.6 * torch.rand((1, 3, 256, 256), generator=torch.Generator().manual_seed(0))
    return inflate(make_reference(image, mask, mask_marks="subject"))


def displacements(name: str, motion: str) -> tuple[Tensor, Tensor]:
    """Largest way of each point in heights of the subject, and each part's weight there."""
    own = subject(name)
    surfels = own.surfels(0.03)
    o = animate(Appearance(own, "reference", motion), surfels, TIMES)
    height = own.skeleton.high[1] - own.skeleton.low[1]
    weights = own.skeleton.parts.turned(surfels.points)[0]
    return (o.points - surfels.points).norm(dim=-1).amax(0) / height, weights


def outer_half(name: str, part: int, weights: Tensor) -> Tensor:
    """The points of a part farther from its joint than half of them."""
    own = subject(name)
    away = (own.surfels(0.03).points - own.skeleton.parts.joints[part]).norm(dim=1)
    on_part = weights[part] > 0.95
    return on_part & (away >= away[on_part].median())


def test_the_parts_of_a_cat_a_dog_a_person_and_an_eagle() -> None:
    cat, dog, person, eagle = (subject(n).skeleton.parts.roles for n in ("cat", "dog", "person", "eagle"))
    assert None not in (cat.head, cat.tail, cat.waver) and len({cat.head, cat.tail, cat.waver}) == 3
    assert not cat.legs and not cat.is_sideways
    assert dog.is_sideways and dog.facing == -1 and len(dog.legs) + len(dog.feet) >= 2
    assert None not in (dog.head, dog.tail) and dog.waver in (*dog.legs, *dog.feet)
    assert len(person.legs) == 2 and None not in (person.head, person.left, person.right) and not person.is_sideways
    assert None not in (eagle.left, eagle.right, eagle.head) and eagle.head not in (eagle.left, eagle.right)


@pytest.mark.parametrize("name", ["ring", "blob", "pencil", "car", "string"])
def test_what_has_no_parts_moves_as_before(name: str) -> None:
    parts = subject(name).skeleton.parts
    assert parts is None or (parts.roles.waver, parts.roles.head, parts.roles.legs) == (None, None, ())
    assert "one piece" in describe_parts(parts) or "tail" in describe_parts(parts)


def test_parts_are_the_same_every_time_and_at_every_size() -> None:
    mask = silhouettes.silhouette(silhouettes.CAT)
    small = torch.nn.functional.interpolate(mask, (128, 128), mode="area")
    points = subject("cat").surfels(0.05).points
    a, b, c = (part_skeleton(m, reference_camera(), points) for m in (mask, mask, small))
    assert torch.equal(a.weights, b.weights) and a.roles == b.roles
    assert torch.equal(a.joints, b.joints)
    for role in ("head", "tail", "waver"):
        assert (a.joints[getattr(a.roles, role)] - c.joints[getattr(c.roles, role)]).norm() < 0.05


def test_any_mask_is_read() -> None:
    rng = torch.Generator().manual_seed(1)
    points = torch.zeros(1, 3)
    noise = (torch.rand(1, 1, 64, 64, generator=rng) > 0.5).float()
    bars = [torch.ones(1, 1, *size) for size in ((1, 40), (40, 1), (2, 2))]
    bars = [torch.nn.functional.pad(b, (3, 61 - b.shape[3], 5, 59 - b.shape[2])) for b in bars]
    masks = [torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64), noise, *bars]
    for mask in masks:
        parts = part_skeleton(mask, reference_camera(), points)
        assert parts is None or parts.weights.isfinite().all()


def test_the_paw_waves_and_the_face_stands_still() -> None:
    way, weights = displacements("cat", "wave")
    roles = subject("cat").skeleton.parts.roles
    assert way[outer_half("cat", roles.waver, weights)].mean() > 0.08
    assert way[weights[roles.head] > 0.95].max() < 1e-4
    assert way[weights[roles.waver] == 0].max() < 1e-6


# At least these shares of the height: the outer half of the part, or the whole body.
@pytest.mark.parametrize(("name", "motion", "part"), [
    ("cat", "wave", "waver"), ("person", "wave", "waver"), ("dog", "wave", "waver"), ("dog", "wag", "tail"),
    ("cat", "wag", "tail"), ("cat", "nod", "head"), ("dog", "nod", "head"), ("person", "nod", "head"),
    ("plant", "nod", "head"), ("eagle", "fly", "left"), ("eagle", "fly", "right"), ("dog", "walk", "legs"),
    ("person", "walk", "legs"),
])
def test_the_named_part_moves_by_8_percent_of_the_height(name: str, motion: str, part: str) -> None:
    way, weights = displacements(name, motion)
    chosen = getattr(subject(name).skeleton.parts.roles, part)
    for index in chosen if isinstance(chosen, tuple) else (chosen,):
        assert way[outer_half(name, index, weights)].mean() > 0.08


@pytest.mark.parametrize("motion", ["jump", "fly"])
@pytest.mark.parametrize("name", ["cat", "dog", "eagle"])
def test_jumps_and_flights_move_10_percent_of_the_height(name: str, motion: str) -> None:
    assert displacements(name, motion)[0].mean() > 0.10


def test_a_part_is_stiff_beyond_its_joint() -> None:
    own = subject("person")
    surfels = own.surfels(0.04)
    parts = own.skeleton.parts
    beyond = parts.turned(surfels.points)[0][parts.roles.waver] == 1
    mine = surfels.points[beyond].double()
    moved = move("wave", surfels, torch.tensor([0.3]), own.skeleton).points[0][beyond].double()
    assert beyond.sum() > 20 and (moved - mine).norm(dim=1).max() > 0.1
    assert (torch.cdist(mine, mine) - torch.cdist(moved, moved)).abs().max() < 1e-4


def test_legs_walk_in_turn() -> None:
    own = subject("person")
    surfels, roles = own.surfels(0.04), own.skeleton.parts.roles
    weights = own.skeleton.parts.turned(surfels.points)[0]
    o = animate(Appearance(own, "reference", "walk"), surfels, torch.tensor([0.125]))
    fore = [(o.points[0] - surfels.points)[outer(weights[leg]), 2].mean() for leg in roles.legs]
    assert fore[0] * fore[1] < 0 and abs(fore[0] - fore[1]) > 0.05


def outer(weight: Tensor) -> Tensor:
    return weight > 0.95


def test_normals_follow_turned_parts() -> None:
    """Against the cross product of two small tangents, moved."""
    own = subject("cat")
    surfels = own.surfels(0.05)
    points, n = surfels.points.double(), surfels.normals.double()
    u = torch.nn.functional.normalize(torch.linalg.cross(n, n.roll(1, 1)), dim=1)
    v, eps, time = torch.linalg.cross(n, u), 1e-4, torch.tensor([0.42]).double()

    def at(x: Tensor) -> Tensor:
        return move("wave", type(surfels)(x, n, n, surfels.limb), time, own.skeleton).points

    a, b = at(points + eps * u) - at(points - eps * u), at(points + eps * v) - at(points - eps * v)
    numeric = torch.nn.functional.normalize(torch.linalg.cross(a, b), dim=-1)
    exact = move("wave", type(surfels)(points, n, n, surfels.limb), time, own.skeleton).normals
    assert ((numeric * exact).sum(-1) > 0.98).float().mean() > 0.97  # the grid of weights has corners


@pytest.mark.parametrize("strength", [1.0, 2.0])
@pytest.mark.parametrize("name", ["person", "eagle", "ring"])
def test_no_motion_leaves_the_frame_and_time_0_is_the_picture(name: str, strength: float) -> None:
    own, manner = subject(name), Manner(strength)
    camera = make_cameras([0.0] * 4, [0.0] * 4)
    still = render_appearance(Appearance(own, "reference", STILL), camera[:1], torch.zeros(1), 48)
    for motion in MOTIONS:
        moving = Appearance(own, "reference", motion, manner)
        surfels = own.surfels(0.02)  # a coarse cell reaches over the outline by half its side
        at_rest = frame_extent(surfels.points, own.skeleton)
        assert frame_extent(animate(moving, surfels, TIMES).points, own.skeleton) < max(1.0, at_rest) + 0.03, motion
        layers = render_appearance(moving, camera, torch.tensor([0.0, 0.2, 0.45, 0.7]), 48)
        assert torch.equal(layers[:1], still), motion
        rim = torch.cat((layers[:, 3, 0], layers[:, 3, -1], layers[:, 3, :, 0], layers[:, 3, :, -1]), 1)
        assert rim.max() == 0, motion


def test_what_was_reduced_is_said() -> None:
    full = torch.nn.functional.interpolate(silhouettes.silhouette(silhouettes.PERSON)[..., 20:240, 20:240], (256, 256))
    own = inflate(make_reference(torch.full((1, 3, 256, 256), 0.5), full, mask_marks="subject"))
    assert motion_gain(own, "jump") < 0.9
    assert "To stay in the image" in fit_note(own, "jump", Manner()) and "%" in fit_note(own, "jump", Manner())
    assert fit_note(get_subject("robot"), "jump", Manner()) == ""
    assert fitting_manner(get_subject("robot"), "jump", Manner(2.0)) == Manner(2.0)


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("name", ["robot", "cat"])
def test_strength_scales_a_motion_and_speed_repeats_it(name: str, motion: str) -> None:
    own = get_subject(name)
    surfels, time = own.surfels(0.06), torch.tensor([0.0, 0.1, 0.3, 0.55, 1.0])

    def at(times: Tensor, manner: Manner) -> Tensor:
        return move(motion, surfels, times, own.skeleton, 1.0, manner).points

    usual, weak, strong = (at(time, Manner(s)) - surfels.points for s in (1.0, 0.5, 1.5))
    assert torch.equal(at(time, Manner(0.0)), surfels.points.expand(5, -1, -1))
    if motion != "spin":  # whole turns at every strength
        assert weak.norm(dim=-1).mean() < 0.8 * usual.norm(dim=-1).mean() < 0.7 * strong.norm(dim=-1).mean()
    twice = at(torch.tensor([0.05, 0.15, 0.65, 1.0]), Manner(speed=2))
    assert torch.allclose(twice, at(torch.tensor([0.1, 0.3, 0.3, 0.0]), Manner()), atol=1e-5)


def test_manners_out_of_range_are_refused() -> None:
    for wrong in ({"strength": 2.5}, {"strength": -0.1}, {"strength": float("nan")}, {"speed": 0}, {"speed": 1.5}):
        with pytest.raises(ValueError, match="choose another"):
            Manner(**wrong)


def test_priors_move_as_strongly_and_as_often_as_requested() -> None:
    mask = silhouettes.silhouette(silhouettes.CAT)
    ref = make_reference(torch.full((1, 3, 256, 256), 0.5), mask, mask_marks="subject")
    priors = make_priors(ref, "a cat waves", RequestedMotion(manner=Manner(0.5, 2)), image_size=16)
    assert priors.truth.appearance.manner == Manner(0.5, 2) == priors.video.prior.items[0].manner
    assert "head" in priors.summary and "tail" in priors.summary

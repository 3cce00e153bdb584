"""From the host's images to the reference."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

Images = tuple[torch.Tensor, torch.Tensor]


def make_reference(call_node: Callable, nodes: dict, **inputs: object) -> object:
    return call_node(nodes["A124Reference"], **inputs)[0]


def test_both_polarities_and_alpha_give_the_same_subject(nodes: dict, call_node: Callable, picture: Images) -> None:
    image, mask = picture
    from_background = make_reference(call_node, nodes, image=image, mask=mask)
    from_subject = make_reference(call_node, nodes, image=image, mask=1 - mask)
    from_alpha = make_reference(call_node, nodes, image=torch.cat([image, 1 - mask[..., None]], dim=-1))
    assert torch.equal(from_background.mask, from_subject.mask)
    assert torch.allclose(from_background.mask, from_alpha.mask)
    assert "background" in from_background.note and "subject" in from_subject.note


def test_no_alpha_as_load_image_says_it_means_no_mask(nodes: dict, call_node: Callable, picture: Images) -> None:
    reference = make_reference(call_node, nodes, image=picture[0], mask=torch.zeros(1, 64, 64))
    assert "plain background" in reference.note
    assert abs(float(reference.mask.mean()) - float((1 - picture[1]).mean())) < 0.05


def test_the_cutout_is_an_image_of_the_host(nodes: dict, call_node: Callable, picture: Images) -> None:
    cut = call_node(nodes["A124Reference"], image=picture[0], mask=picture[1])[1]
    assert cut.shape == (1, 512, 512, 3) and cut.dtype == torch.float32
    assert torch.equal(cut[0, 0, 0], torch.ones(3)), "white where nothing is"
    assert cut[0, 256, 256, 0] > 0.99 and cut[0, 256, 256, 1] < 0.3


def test_inputs_of_the_host_are_left_alone_and_results_can_be_trained_on(
    nodes: dict, call_node: Callable, picture: Images
) -> None:
    with torch.inference_mode():  # as the host runs nodes
        image, mask = (p.clone() for p in picture)
        before = image.clone()
        reference = make_reference(call_node, nodes, image=image, mask=mask)
        assert torch.equal(image, before)
    assert not reference.image.is_inference() and not reference.mask.is_inference()


def test_the_first_of_a_batch_is_taken(nodes: dict, call_node: Callable, picture: Images) -> None:
    image, mask = picture
    batch = torch.cat([image, torch.rand(2, 64, 64, 3)])
    single = make_reference(call_node, nodes, image=image, mask=mask)
    assert torch.equal(make_reference(call_node, nodes, image=batch, mask=mask.expand(3, -1, -1)).image, single.image)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, m: {"image": i, "mask": torch.ones(1, 32, 64)}, "width and height"),
        (lambda i, m: {"image": i, "mask": torch.ones(1, 64, 64), "mask_marks": "subject"}, "mask is"),
        (lambda i, m: {"image": i, "mask": torch.ones(1, 64, 64), "mask_marks": "background"}, "mask is"),
        (lambda i, m: {"image": torch.rand(1, 64, 64, 3)}, "background-removal"),
        (lambda i, m: {"image": i[:, :1, :1]}, "1x1"),
        (lambda i, m: {"image": i * float("nan"), "mask": m}, "NaN"),
        (lambda i, m: {"image": i[:0], "mask": m}, "empty"),
    ],
    ids=["other aspect", "all subject", "all background", "no subject", "one pixel", "NaN", "no image"],
)
def test_bad_images_are_refused_in_one_sentence(
    nodes: dict, call_node: Callable, picture: Images, change: Callable, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_reference(call_node, nodes, **change(*picture))


def test_the_example_image_is_like_load_image(nodes: dict, call_node: Callable) -> None:
    image, mask = call_node(nodes["A124ExamplePicture"])
    assert image.shape == (1, *mask.shape[1:], 3)
    assert float(mask[0, 0, 0]) == 1.0, "1 is transparent, as Load Image says it"
    assert 0.15 < float((1 - mask).mean()) < 0.4
    assert "background" in make_reference(call_node, nodes, image=image, mask=mask).note


def test_an_opaque_gif_as_load_image_gives_it_has_no_mask(nodes: dict, call_node: Callable, picture: Images) -> None:
    """Zeros of the picture's own size; only who says that white marks the subject means an empty mask."""
    image, zeros = picture[0].repeat_interleave(2, 1).repeat_interleave(2, 2), torch.zeros(1, 128, 128)
    assert "plain background" in make_reference(call_node, nodes, image=image, mask=zeros).note
    with pytest.raises(ValueError, match="the mask is empty"):
        make_reference(call_node, nodes, image=image, mask=zeros, mask_marks="subject")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"image": torch.rand(64, 64, 3)}, r"a tensor of \(64, 64, 3\) came as IMAGE: wire images"),
        ({"image": torch.rand(1, 64, 64, 2)}, "came as IMAGE"), ({"image": {"samples": 1}}, "a dict came as IMAGE"),
        ({"mask": torch.rand(64)}, "came as MASK"), ({"mask": torch.rand(1, 0, 64)}, "an empty tensor"),
        ({"depth": "near"}, "a str came as IMAGE"),
        ({"image": torch.zeros(1, 1, 1, 3).expand(1, 13_000, 13_000, 3)}, "13000x13000, too many pixels"),
    ],
)
def test_what_is_no_image_or_mask_is_refused_in_one_sentence(
    nodes: dict, call_node: Callable, picture: Images, inputs: dict, words: str
) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        make_reference(call_node, nodes, **{"image": picture[0], "mask": picture[1], **inputs})
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)

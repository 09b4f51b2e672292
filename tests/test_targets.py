"""What a batch's targets must hold, and what those may lack that have nothing to say: every system's `losses`."""
import dataclasses

import pytest
import torch
from filled_boxes import filled
from test_retinanet import scenes

from paperlib.systems.registry import PRESETS, SYSTEMS


def case(name, part="both"):
    """A tiny system, two images and their targets, the proposals with them where the system learns from those."""
    torch.manual_seed(0)
    preset = "scale" if SYSTEMS[name].needs_masks else "tiny"
    net, (images, targets) = SYSTEMS[name](PRESETS[name][preset](3)), scenes(2)
    if part != "both":
        net.losses = {"rpn": net.rpn_losses, "detector": net.detector_losses}[part]
    if name in ("fast_rcnn", "rcnn") or part == "detector":
        targets = [{**t, "proposals": torch.cat([t["boxes"] + 3, t["boxes"] - 40])} for t in targets]
    if SYSTEMS[name].needs_masks:
        targets = [{**t, "masks": filled(t["boxes"], images.shape[-2:])} for t in targets]
    return net, images, targets


def losses(net, images, targets):
    torch.manual_seed(1)
    return net.losses(images, targets)


ALL = [(name, "both") for name in SYSTEMS] + [("faster_rcnn", "rpn"), ("faster_rcnn", "detector")]
NAMELESS = ("rpn", "deepmask", "sharpmask", "fpn_masks")  # whose objects have no class
ON_GIVEN = [("fast_rcnn", "both"), ("rcnn", "both"), ("faster_rcnn", "detector")]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(("name", "part"), ON_GIVEN)
def test_proposals_in_only_some_targets_are_refused(name, part, number):
    net, images, targets = case(name, part)
    targets[number] = {**targets[number], "image_id": 77}
    del targets[number]["proposals"]
    with pytest.raises(ValueError, match=rf"target {number} \(image 77\) has no 'proposals'.*in every target"):
        net.losses(images, targets)


@pytest.mark.parametrize(("name", "part"), ALL)
def test_targets_of_fewer_or_more_images_are_refused(name, part):
    net, images, targets = case(name, part)
    for wrong in (targets[:1], targets + targets[:1]):
        with pytest.raises(ValueError, match=f"2 images and {len(wrong)} targets: expected one an image"):
            net.losses(images, wrong)


@pytest.mark.parametrize(("name", "part"), ALL)
def test_no_object_is_no_box_of_four_numbers(name, part):
    """torch.tensor([]) has one dimension."""
    net, images, targets = case(name, part)
    targets[1] = {**targets[1], "boxes": torch.tensor([])}
    with pytest.raises(ValueError, match=r"target 1 .* has boxes of shape \(0,\): expected \(G, 4\), and \(0, 4\)"):
        net.losses(images, targets)


@pytest.mark.parametrize(("name", "part"), ALL)
def test_a_target_without_boxes_is_named(name, part):
    net, images, targets = case(name, part)
    del targets[1]["boxes"]
    with pytest.raises(ValueError, match=r"target 1 \(image without id\) has no 'boxes', found \['labels'"):
        net.losses(images, targets)


@pytest.mark.parametrize("label", [0, 4])
@pytest.mark.parametrize(("name", "part"), [pair for pair in ALL if pair[0] not in NAMELESS and pair[1] != "rpn"])
def test_a_label_that_is_none_of_the_classes_is_named(name, part, label):
    net, images, targets = case(name, part)
    targets[1]["labels"] = torch.tensor([1, label, 2])
    with pytest.raises(ValueError, match=rf"target 1 \(image without id\) has label {label}: expected 1 to"):
        net.losses(images, targets)
    targets[1]["labels"] = torch.tensor([1, 2])
    with pytest.raises(ValueError, match=r"target 1 .* has 3 boxes and 2 labels"):
        net.losses(images, targets)


@pytest.mark.parametrize(("name", "part"), ALL)
def test_a_flag_that_only_some_targets_have_is_false_for_the_others(name, part):
    for flag in ("crowd", "difficult"):
        net, images, targets = case(name, part)
        flags = [torch.tensor([True, False, False]), torch.zeros(3, dtype=torch.bool)]
        some = [{**targets[0], flag: flags[0]}, targets[1]]
        every = [{**t, flag: f} for t, f in zip(targets, flags)]
        assert losses(net, images, some) == losses(net, images, every)
        if flag == "crowd":
            assert losses(net, images, some) != losses(net, images, targets)


@pytest.mark.parametrize(("name", "part"), [("rpn", "both"), ("faster_rcnn", "both")])
def test_a_size_that_only_some_targets_have_is_that_of_the_canvas_for_the_others(name, part):
    net, images, targets = case(name, part)
    proposer = net.proposer if name == "faster_rcnn" else net.rpn
    proposer.cfg = dataclasses.replace(proposer.cfg, border=0.0)  # which anchors train depends on the size
    sizes = [torch.tensor([90, 70]), torch.tensor([128, 128])]
    some = [{**targets[0], "size": sizes[0]}, targets[1]]
    every = [{**t, "size": size} for t, size in zip(targets, sizes)]
    assert losses(net, images, some) == losses(net, images, every)
    assert losses(net, images, some) != losses(net, images, targets)

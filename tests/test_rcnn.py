"""R-CNN as a system: windows, features, detections; what it does without regions, objects or more than one class."""
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from test_pinned import scenes

from paperlib.config import override
from paperlib.data.named_sets import load
from paperlib.parts import boxes
from paperlib.parts.crops.warp import crops
from paperlib.parts.crops.windows import WindowSampleConfig, sample_windows
from paperlib.scoring.coco_metrics import evaluate
from paperlib.systems.presets import rcnn as presets
from paperlib.systems.rcnn import RCNN
from paperlib.systems.rcnn_config import LAYERS
from paperlib.training.rcnn import stages as rcnn_stages
from paperlib.training.recipes import Recipe, budget
from paperlib.training.trained import sides_of
from paperlib.training.trainer import train


def network(num_classes=20, preset="tiny", **changes):
    torch.manual_seed(0)
    return RCNN(override(getattr(presets, preset)(num_classes), changes)).eval()


def trained(net, stages=(True, True)):
    """The same network with SVMs and ridge weights drawn at random."""
    for layer in (net.svm, net.ridge):
        torch.nn.init.normal_(layer.weight, std=0.05)
    net.stages_done.copy_(torch.tensor(stages))
    return net


def test_a_crop_of_48_px_has_a_pool5_of_6_by_6_cells_and_the_fc_layers_of_the_trunk():
    net, pretrained = network(preset="small", **{"trunk.weights": "mininet"}), presets.small().trunk
    windows = torch.rand(2, 3, 48, 48)
    layers = net.layers(windows)
    sizes = {name: tuple(x.shape) for name, x in layers.items()}
    assert sizes == {"pool5": (2, 2304), "fc6": (2, 192), "fc7": (2, 192)}
    torch.testing.assert_close(layers["pool5"], net.trunk(windows)[3].flatten(1))  # a crop needs no pooling
    from paperlib.parts.trunks import trunk
    fc = trunk(override(pretrained, {"weights": "mininet"})).fc
    assert fc["fc7"].weight.equal(net.fc7.weight)
    torch.testing.assert_close(layers["fc7"], fc["fc7"](fc["fc6"](layers["pool5"]).relu()).relu())


def test_windows_are_32_with_an_object_and_96_without_or_any_at_random():
    targets = scenes()[1]
    anywhere = 128 * torch.rand(500, 4).sort(1).values
    wide = [{**target, "proposals": torch.cat([target["proposals"], anywhere])} for target in targets]
    rois, labels = sample_windows(wide)
    assert len(rois) == len(labels) == 128 and int((labels > 0).sum()) == 32
    for roi, label in zip(rois, labels):
        target = targets[int(roi[0])]
        overlap = boxes.iou(roi[None, 1:], target["boxes"])[0]
        assert (overlap.max() >= 0.5) == (label > 0)
        assert label == 0 or label == target["labels"][overlap.argmax()]
    untouched = [float(boxes.iou(roi[None, 1:], targets[int(roi[0])]["boxes"]).max()) == 0 for roi in rois]
    assert any(untouched)  # background of IoU 0, which Fast R-CNN leaves out
    anyhow = sample_windows(wide, WindowSampleConfig(biased=False))[1]
    share = sum(int((sample_windows(wide, WindowSampleConfig(num=64, biased=False))[1] > 0).sum()) for _ in range(20))
    everything = sample_windows(wide, WindowSampleConfig(num=10**6, positive=1.0))[1]
    assert len(anyhow) == 128
    assert share / (20 * 64) == pytest.approx(float((everything > 0).float().mean()), abs=0.05)


def test_processes_share_a_steps_windows(monkeypatch):
    monkeypatch.setattr("paperlib.parts.crops.windows.ranks", lambda: (1, 4))
    targets = scenes()[1]
    wide = [{**target, "proposals": 128 * torch.rand(300, 4).sort(1).values} for target in targets]
    assert len(sample_windows(wide)[0]) == 128 // 4


def test_losses_are_the_log_loss_of_the_drawn_windows():
    images, targets = scenes()
    net = network()
    torch.manual_seed(5)
    loss = net.losses(images, targets)["cls"]
    torch.manual_seed(5)
    rois, labels = sample_windows(targets)
    windows = []
    for roi in rois:
        image = images[int(roi[0])].float() / 255
        windows.append(crops(image, roi[None, 1:], net.cfg.crop, net.trunk.mean)[0])
    want = F.cross_entropy(net.cls(net.layers(torch.stack(windows))["fc7"]), labels)
    torch.testing.assert_close(loss, want, rtol=1e-5, atol=1e-6)


def test_two_images_at_once_equal_each_alone():
    images, targets = scenes()
    net = trained(network(**{"ridge.times": 2, "detect.score": 0.4}))
    proposals = [target["proposals"] for target in targets]
    sizes = torch.tensor([[128, 128], [100, 90], [128, 128]])
    together = net.detect(images, sizes, proposals)
    for i in range(3):
        (alone,) = net.detect(images[i:i + 1], sizes[i:i + 1], proposals[i:i + 1])
        for name, value in alone.items():
            torch.testing.assert_close(together[i][name], value)
    both = [boxes.nms(d["boxes"], d["scores"], d["labels"], net.cfg.detect.nms) for d in together]
    assert sum(map(len, both)) > 10


def test_padding_is_no_part_of_an_image():
    images, _ = scenes()
    net, (h, w) = trained(network(**{"detect.score": 0.0})), (100, 90)
    region = [torch.tensor([[10.0, 10.0, 88.0, 98.0]])]
    padded = images[:1].clone()
    padded[..., h:, :], padded[..., w:] = 255, 255
    (cut,) = net.detect(images[:1, :, :h, :w], None, region)
    (with_padding,) = net.detect(padded, torch.tensor([[h, w]]), region)
    torch.testing.assert_close(cut, with_padding)
    (blind,) = net.detect(padded, None, region)
    assert not blind["scores"].allclose(cut["scores"], atol=1e-4)


@pytest.mark.parametrize("count", [0, 3])
def test_no_region_no_object_and_one_class(count):
    images, targets = scenes()
    net = trained(network(1, **{"ridge.times": 2}))
    empty = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "crowd": torch.zeros(0) > 0,
              "proposals": targets[0]["proposals"][:count]}]
    loss = net.train().losses(images[:1], empty)["cls"]
    assert loss.isfinite() and (loss == 0) == (count == 0)
    if count:
        loss.backward()
    detected = net.eval().detect(images[:1], proposals=[targets[0]["proposals"][:count]])[0]
    assert detected["boxes"].shape[1] == 4 and len(detected["boxes"]) <= count


def test_it_learns_scenes_by_heart():
    images, targets = scenes()
    images, targets = images[:2], targets[:2]
    net = network(preset="small", **{"trunk.weights": "mininet"}).train()
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.02, 0.9)
    for _ in range(40):
        loss = net.losses(images, targets)["cls"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for image, target in zip(images, targets):
        real = ~target["crowd"]
        features = net.eval().features(image, target["boxes"][real])
        assert net.scores(features).argmax(1).add(1).equal(target["labels"][real])


def test_until_the_stages_are_done_the_softmax_scores_and_boxes_stay():
    images, targets = scenes()
    net, regions = network(**{"ridge.times": 1}), targets[0]["proposals"]
    features = net.features(images[0], regions)
    softmax = net.cls(features["fc7"].float()).softmax(1)[:, 1:]
    assert net.scores(features).equal(softmax) and net.moves(features) is None
    net = trained(net)
    assert net.scores(features).equal(net.svm(features["fc7"].float()).sigmoid())
    assert net.moves(features).shape == (len(regions), 20, 4)


def test_a_ridge_moves_each_detection_by_its_class():
    images, targets = scenes()
    net, regions = network(2, **{"ridge.times": 1, "detect.score": 0.0, "detect.nms": 1.0}), targets[0]["proposals"][:1]
    trained(net)
    net.ridge.weight.zero_()
    net.ridge.bias.copy_(torch.tensor([0.1, 0, 0, 0, 0, -0.1, 0, 0]))
    (detected,) = net.detect(images[:1], proposals=[regions])
    for box, label in zip(detected["boxes"], detected["labels"]):
        move = net.ridge.bias.view(2, 4)[label - 1]
        torch.testing.assert_close(box, boxes.clip(boxes.decode(regions[0], move), (128, 128)))


def test_a_second_move_is_scored_and_moved_as_of_its_class():
    images, targets = scenes()
    once, twice = (trained(network(3, **{"ridge.times": n, "detect.score": 0.0})) for n in (1, 2))
    twice.load_state_dict(once.state_dict())
    regions = [targets[0]["proposals"]]
    (first,), (second,) = once.detect(images[:1], proposals=regions), twice.detect(images[:1], proposals=regions)
    features = twice.features(images[0], first["boxes"])
    at = torch.arange(len(first["labels"]))
    want = twice.scores(features)[at, first["labels"] - 1]
    assert set(second["scores"].tolist()) <= set(want.tolist()) and not second["boxes"].equal(first["boxes"])
    assert len(second["boxes"]) <= len(first["boxes"])
    size = torch.tensor(images.shape[-2:])
    moved = once.detect_regions(once.features(images[0], regions[0]), regions[0], size)
    assert first["boxes"].equal(moved["boxes"])  # once is once


def test_opencv_without_selective_search_says_how_to_get_it(monkeypatch):
    import cv2

    from paperlib.data.selective_search import selective_search
    monkeypatch.delattr(cv2, "ximgproc")
    with pytest.raises(OSError, match=r"lacks ximgproc.*pip install opencv-contrib-python-headless"):
        selective_search(torch.zeros(32, 32, 3, dtype=torch.uint8).numpy())
    from paperlib.doctor.examine import doctor
    lines = []
    findings = doctor(load("minivoc", "test", limit=2), presets.tiny(), system="rcnn", report=lines.append)
    said = [finding for finding in findings if finding.topic == "proposals"]
    assert len(said) == 1 and said[0].serious and "lacks ximgproc" in said[0].text
    assert "pip install opencv-contrib-python-headless" in said[0].advice and str(said[0]) in lines


@pytest.mark.parametrize(("name", "split"), [("bccd", "train"), ("coco128", None)])
def test_photographs_go_through_the_whole_system(name, split, tmp_path):
    root = os.environ.get("PAPERLIB_SHARED")
    if not root:
        pytest.skip("PAPERLIB_SHARED names no folder of photographs")
    recipe = Recipe(data=str(Path(root) / "data" / name), train=split, test=split, preset="tiny", train_images=2,
                    size=(96, 160), steps=2, batch=2, lr=0.001, warmup=0, bf16=False, set={"proposals.keep": 30})
    net, history = train("rcnn", recipe, 0, {"ridge.times": 1}, torch.device("cpu"))
    metrics = evaluate(net, load(recipe.data, split, limit=2), torch.device("cpu"), **sides_of(recipe.size))
    assert len(history) == 4 and net.stages_done.all() and 0 <= metrics["AP50"] <= 1


@pytest.mark.parametrize(("name", "split"), [("bccd", "test"), ("coco128", None)])
def test_photographs_go_through_the_papers_geometry(name, split, tmp_path, monkeypatch):
    """The budget `paper` as it is, but for weights that are not here and regions that need no search."""
    root = os.environ.get("PAPERLIB_SHARED")
    if not root:
        pytest.skip("PAPERLIB_SHARED names no folder of photographs")
    monkeypatch.setattr(rcnn_stages, "FOLDER", tmp_path)
    recipe = replace(budget("paper").recipe("rcnn"), data=str(Path(root) / "data" / name), train=split, test=split,
                     train_images=1, steps=0, bf16=False, set={"ridge.times": 1})
    few = {"proposals.kind": "dense", "proposals.keep": 4}
    net, _ = train("rcnn", recipe, 0, few, torch.device("cpu"), tmp_path / "run.pt")
    assert net.cfg.crop.size == 224 and net.fc6.in_features == 512 * 7 * 7 and net.stages_done.all()
    assert net.svm.weight.any() and net.svm.weight.isfinite().all() and net.ridge.weight.isfinite().all()
    metrics = evaluate(net, load(recipe.data, split, limit=2), torch.device("cpu"), **sides_of(recipe.size))
    assert 0 <= metrics["AP50"] <= 1


SWITCHES = [{"sample.hi": 0.7},
            {"crop.kind": "square"}, {"crop.kind": "square_alone"}, {"crop.context": 0.0}, {"crop.size": 40},
            {"sample.num": 16}, {"sample.positive": 0.5}, {"sample.biased": False}, {"side": 3}, {"widths": [64, 32]}]


@pytest.mark.parametrize("change", SWITCHES, ids=str)
def test_switches_reach_the_network(change):
    images, targets = scenes()
    losses = []
    for changes in ({}, change):
        net = network(**changes).train()
        torch.manual_seed(3)
        losses.append(net.losses(images, targets)["cls"].item())
    assert losses[0] != losses[1]


@pytest.mark.parametrize("change", [{"layer": "pool5"}, {"layer": "fc6"}, {"scorer": "softmax"}, {"ridge.times": 1},
                                    {"detect.nms": 0.9}], ids=str)
def test_switches_reach_the_detections(change):
    images, targets = scenes()
    proposals = [targets[0]["proposals"]]
    plain = trained(network(**{"detect.score": 0.0})).detect(images[:1], proposals=proposals)[0]
    other = trained(network(**({"detect.score": 0.0} | change))).detect(images[:1], proposals=proposals)[0]
    assert plain["scores"].shape != other["scores"].shape or not plain["boxes"].equal(other["boxes"]) \
        or not plain["scores"].equal(other["scores"])


@pytest.mark.parametrize(("change", "message"), [
    ({"layer": "fc8"}, "layer 'fc8': expected one of pool5, fc6, fc7"),
    ({"scorer": "knn"}, "scorer 'knn': expected one of svm, softmax"),
    ({"svm.loss": "log"}, "svm.loss 'log': expected one of hinge, squared_hinge"),
    ({"crop.kind": "round"}, "crop.kind 'round'")])
def test_clear_errors(change, message):
    with pytest.raises(ValueError, match=message):
        network(**change)


def test_layers_of_another_size_and_lacking_proposals_are_refused():
    with pytest.raises(ValueError, match=r"fc6 of trunk 'small' is \(192, 2304\): expected \(192, 1600\)"):
        network(preset="small", **{"trunk.weights": "mininet", "side": 5})
    images, targets = scenes()
    targets[1].pop("proposals")
    with pytest.raises(ValueError, match="has no 'proposals'"):
        network().losses(images, targets)
    with pytest.raises(ValueError, match="3 images and 0 lists of proposals"):
        network().detect(images)


def test_the_published_geometry_goes_through_vgg16():
    with torch.device("meta"):
        net = RCNN(presets.vgg16())
    assert net.cfg.crop.size == 224 and net.cfg.crop.context == 16 and net.cfg.proposals.keep == 2000
    assert net.fc6.in_features == 512 * 7 * 7 and net.ridge.weight.shape == (80, 25088)
    assert LAYERS == ("pool5", "fc6", "fc7") and Path(presets.__file__).stem == "rcnn"

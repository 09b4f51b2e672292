"""Fast R-CNN as a system: losses, detections, scales, compression, and that it learns."""
import dataclasses

import pytest
import torch
from test_boxes import DEVICES, random_boxes
from test_retinanet import scenes

from paperlib.config import override, to_dict
from paperlib.parts import boxes, roi_pooling, roi_training
from paperlib.parts.roi_training import DeltaConfig
from paperlib.systems.fast_rcnn import AfterConfig, FastRCNN, FastRCNNConfig, resized
from paperlib.systems.presets.fast_rcnn import small, tiny, vgg16
from paperlib.systems.registry import PRESETS, SYSTEMS


def batch(num=4, around=8):
    """Scenes with proposals: random ones, and some near each object."""
    images, targets = scenes(num)
    g = torch.Generator().manual_seed(1)
    for i, t in enumerate(targets):
        near = t["boxes"].repeat(around, 1) + torch.randn(len(t["boxes"]) * around, 4, generator=g) * 3
        given = boxes.clip(torch.cat([near, random_boxes(60, seed=i)]), (128, 128))
        t["proposals"] = given[((given[:, 2:] - given[:, :2]) > 1).all(1)]
    return images, targets


def model(preset=small, **changes):
    torch.manual_seed(0)
    return FastRCNN(dataclasses.replace(preset(3), **changes))


def given(targets):
    return [t["proposals"] for t in targets]


@pytest.mark.parametrize("preset", PRESETS["fast_rcnn"].values())
def test_presets_are_data_and_run(preset):
    cfg = override(preset(3), {"head.widths": (64, 64)} if preset is vgg16 else {})
    assert isinstance(cfg, FastRCNNConfig) and hash(cfg) and to_dict(cfg)["num_classes"] == 3
    assert SYSTEMS["fast_rcnn"] is FastRCNN
    images, targets = batch(2)
    net = FastRCNN(cfg)
    parts = net.losses(images, targets)
    sum(parts.values()).backward()
    assert set(parts) == {"cls", "box"} and all(p.isfinite() for p in parts.values())
    logits, deltas, found = net.predict(images, given(targets))
    assert len(logits) == len(deltas) == len(found) == sum(map(len, given(targets)))


@pytest.mark.parametrize("device", DEVICES)
def test_losses_equal_the_equations(device):
    images, targets = batch()
    cfg = roi_training.RoISampleConfig(num=10_000, positive=1.0)                 # everything that has a label
    net = model(sample=cfg).to(device).eval()
    moved = [{k: v.to(device) for k, v in t.items()} for t in targets]
    got = net.losses(images.to(device), moved)
    cls, box, count = 0.0, 0.0, 0
    for i, t in enumerate(moved):
        pool = torch.cat([t["proposals"], t["boxes"]])
        logits, deltas, _ = net.predict(images[i:i + 1].to(device), [pool])
        best, gt = boxes.iou(pool, t["boxes"]).max(1)
        for r in range(len(pool)):
            if best[r] < 0.1:
                continue
            u = int(t["labels"][gt[r]]) if best[r] >= 0.5 else 0
            cls, count = cls - logits[r].log_softmax(0)[u], count + 1
            if u:
                d = (deltas[r, u - 1] - roi_training.encode(pool[r], t["boxes"][gt[r]])).abs()
                box = box + torch.where(d < 1, d**2 / 2, d - 0.5).sum()
    torch.testing.assert_close((got["cls"], got["box"]), (cls / count, box / count), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", [small, tiny])
def test_learns_four_scenes(device, preset):
    net = model(preset).to(device)
    images, targets = batch()
    images, moved = images.to(device), [{k: v.to(device) for k, v in t.items()} for t in targets]
    opt = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], 2e-3)
    for _ in range(60):
        loss = sum(net.losses(images, moved).values())
        opt.zero_grad()
        loss.backward()
        opt.step()
    for found, t in zip(net.eval().detect(images, proposals=given(moved)), targets):
        overlap, best = boxes.iou(t["boxes"], found["boxes"].cpu()).max(1)
        assert overlap.min() > 0.6 and found["labels"].cpu()[best].tolist() == t["labels"].tolist()


def test_batch_of_two_equals_one_twice():
    images, targets = batch(2)
    net = model(tiny).eval()
    both = net.detect(images, proposals=given(targets))
    for i in range(2):
        (one,) = net.detect(images[i:i + 1], proposals=given(targets)[i:i + 1])
        for a, b in zip(both[i].values(), one.values()):
            torch.testing.assert_close(a, b)


def test_no_proposals_no_objects():
    images, targets = batch(2)
    empty = [{"boxes": t["boxes"][:0], "labels": t["labels"][:0], "proposals": t["proposals"][:0]} for t in targets]
    net = model()
    assert sum(net.losses(images, empty).values()) == 0
    assert [len(d["boxes"]) for d in net.eval().detect(images, proposals=given(empty))] == [0, 0]
    with pytest.raises(ValueError, match="2 images and 1 lists of proposals"):
        net.detect(images, proposals=given(targets)[:1])


def test_switches():
    images, targets = batch(2)
    assert model(box_weight=0.0).losses(images, targets)["box"] == 0
    net = model(detect=dataclasses.replace(small().detect, boxes=False, score=0.0)).eval()
    (found, _) = net.detect(images, proposals=given(targets))
    assert (found["boxes"][:, None] == targets[0]["proposals"]).all(-1).any(1).all()
    assert not any(p.requires_grad for p in net.trunk.groups[0].parameters())
    assert all(p.requires_grad for p in net.trunk.groups[1][1].conv.parameters())
    with pytest.raises(ValueError, match=r"fc6 of the head is .*expected the trunk's head.widths"):
        model(head=dataclasses.replace(small().head, widths=(64, 64)))


def test_each_roi_is_read_at_the_scale_where_it_is_of_the_wanted_size():
    images, targets = batch(1)
    net = model(scales=(1.0, 2.0), scale_size=48.0).eval()
    sides = torch.tensor([12.0, 25, 40, 90])
    b = torch.stack([sides * 0 + 4, sides * 0 + 8, sides + 4, sides + 8], 1)
    got = net.windows(images, roi_pooling.to_rois([b]))
    one, two = (net.pooled(*resized(images, roi_pooling.to_rois([b]), f)) for f in (1.0, 2.0))
    torch.testing.assert_close(got, torch.cat([two[:2], one[2:]]))
    assert net.losses(images, targets)["cls"].isfinite()


def test_compression_keeps_the_outputs_of_full_rank_and_saves_weights():
    images, targets = batch(1)
    net = model().eval()
    want = net.predict(images, given(targets))[0]
    before = sum(p.numel() for p in net.head.parameters())
    net.compress((192, 192))
    torch.testing.assert_close(net.predict(images, given(targets))[0], want, rtol=1e-3, atol=1e-4)
    net = model()
    net.compress((24, 12))
    assert sum(p.numel() for p in net.head.parameters()) < before / 4


def test_stored_fc_layers_come_along():
    net = model()
    assert net.trunk.fc is None and not any("trunk.fc" in k for k in net.state_dict())
    assert override(small(), {"after.svd": [24, 12]}).after == AfterConfig(svd=(24, 12))


# what the configuration says reaches losses and detections

def test_resizing_moves_rois_with_their_pixels_along_both_axes():
    images = torch.zeros(1, 3, 90, 112)
    images[0, :, 20:60, 30:90] = 1
    for factor, size in ((1.0, (96, 128)), (0.5, (32, 64)), (1.9, (160, 224))):
        larger, moved = resized(images, torch.tensor([[0.0, 30, 20, 90, 60]]), factor)
        assert larger.shape[-2:] == size
        bright = larger[0, 0] > 0.5
        rows, columns = bright.any(1).nonzero(), bright.any(0).nonzero()
        want = torch.tensor([0.0, columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (moved[0] - want).abs().max() <= 1


def seeded(net, images, targets, seed=1):
    torch.manual_seed(seed)
    return net.losses(images, targets)


@torch.no_grad()
def test_several_scales_are_drawn_in_training_and_the_boxes_stay_in_the_images_pixels():
    images, targets = batch(1)
    net = model(scales=(0.5, 1.0, 2.0), sample=roi_training.RoISampleConfig(10_000, 1.0)).eval()
    found, labels, goals = roi_training.sample_rois(given(targets), targets, net.cfg.sample)
    want = []
    for factor in net.cfg.scales:
        read = net.head(net.pooled(*resized(images, found, factor)))
        want.append(sum(roi_training.losses(*read, found, labels, goals).values()))
    said = torch.stack([sum(seeded(net, images, targets, seed).values()) for seed in range(12)])
    near = (said[:, None] - torch.stack(want)).abs() < 1e-5
    assert near.sum(1).eq(1).all() and near.any(0).all()  # each is one of the three, and each of the three comes


def test_the_scale_is_chosen_by_the_area_after_resizing():
    images, _ = batch(1)
    net = model(scales=(1.0, 3.0), scale_size=48.0).eval()
    roi = torch.tensor([[0.0, 10, 10, 32, 32]])  # 22 px: 66 px at the scale of 3; 484 is closer to 2304 than 4356
    torch.testing.assert_close(net.windows(images, roi), net.pooled(*resized(images, roi, 1.0)))
    roi = torch.tensor([[0.0, 10, 10, 26, 26]])  # 16 px: 48 px at the scale of 3
    want = net.head(net.pooled(*resized(images, roi, 3.0)))
    torch.testing.assert_close(net.predict(images, [roi[:, 1:]])[:2], want)
    found = model(scales=(1.0, 3.0), scale_size=48.0, detect=rois_detect(score=0.0, nms=1.0)).eval()
    torch.testing.assert_close(found.detect(images, proposals=[roi[:, 1:]])[0]["scores"],
                               want[0].softmax(1)[0, 1:].sort(descending=True).values)


def rois_detect(**changes):
    return dataclasses.replace(small().detect, **changes)


def test_losses_are_coded_as_configured():
    images, targets = batch(2)
    one, three, mean, steep = (seeded(model(**changes), images, targets)["box"] for changes in (
        {}, {"box_weight": 3.0}, {"deltas": DeltaConfig((50.0, 0.0, 0.0, 0.0), (1.0,) * 4)}, {"box_beta": 0.01}))
    torch.testing.assert_close(three, 3 * one)
    assert mean > 10 * one and steep > 1.05 * one


def test_detections_are_scored_decoded_and_clipped_as_configured():
    images, targets = batch(1)
    there, where = torch.tensor([[40, 30]]), given(targets)
    net = model(detect=rois_detect(score=0.0, keep=7, nms=1.0)).eval()
    (found,) = net.detect(images, there, where)
    assert len(found["boxes"]) == 7 and found["boxes"][:, 2].max() <= 30 and found["boxes"][:, 3].max() <= 40
    still = model(detect=rois_detect(score=0.0), deltas=DeltaConfig(mean=(0.0, 0.0, -3.0, -3.0))).eval()
    (moved,) = still.detect(images, proposals=where)
    assert (moved["boxes"][:, 2:] - moved["boxes"][:, :2]).max() < 10
    net.head.cls.bias.data = torch.tensor([0.0, 0.0, 9.0, 0.0])  # background, then classes 1 to 3
    assert (net.detect(images, proposals=where)[0]["labels"] == 2).all()


def test_rois_are_pooled_as_configured():
    images, targets = batch(1)
    side, rois = small().roi.side, roi_pooling.to_rois(given(targets))
    one, two = (model(roi=roi_pooling.RoIConfig(kind, side=side)).pooled(images, rois) for kind in ("max", "align"))
    assert one.shape == two.shape and not one.allclose(two)

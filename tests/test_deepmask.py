"""DeepMask: patches and dense windows agree, targets, losses, heads, and the traps of the published code."""
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from paperlib.config import override
from paperlib.parts.trunks import TrunkConfig
from paperlib.parts.windows.centred import label_windows, offsets
from paperlib.parts.windows.grid import grid
from paperlib.parts.windows.heads import KINDS, MaskHead, MaskHeadConfig
from paperlib.parts.windows.overlap import mask_iou, tight_boxes
from paperlib.parts.windows.patches import PatchConfig, Patches, true_masks
from paperlib.parts.windows.resampling import lay, paste
from paperlib.parts.windows.trunk_maps import cut_trunk, maps_of, normalised
from paperlib.systems.deepmask import DeepMask, padded
from paperlib.systems.presets.deepmask import resnet50, scale

PARAMETERS = {"trunk": 15_198_016, "mask": 1_608_768, "score": 526_337}  # printed by the published code


def model(seed=0, **changes):
    torch.manual_seed(seed)
    return DeepMask(override(scale(3), changes))


def scenes(num=2, size=96):
    """Discs on a grey ground: images (N, 3, size, size) uint8, targets with masks."""
    rows, columns = torch.meshgrid(*[torch.arange(size) + 0.5] * 2, indexing="ij")
    images, targets = [], []
    for i in range(num):
        image, masks = torch.full((3, size, size), 90, dtype=torch.uint8), []
        for x, y, radius, colour in ((28 + 5 * i, 30, 9, 220), (66, 62 - 4 * i, 15, 160)):
            masks.append((columns - x) ** 2 + (rows - y) ** 2 < radius**2)
            image[:, masks[-1]] = torch.tensor([colour, 40 + 60 * i, 20], dtype=torch.uint8)[:, None]
        masks = torch.stack(masks)
        images.append(image)
        targets.append({"boxes": tight_boxes(masks), "labels": torch.tensor([1, 2]), "masks": masks,
                        "crowd": torch.zeros(2, dtype=torch.bool), "image_id": i, "size": torch.tensor([size, size])})
    return torch.stack(images), targets


def only_windows(net, windows):
    """`Patches` of these windows alone."""
    return Patches(windows, torch.zeros(len(windows), dtype=torch.int64), torch.zeros(0, dtype=torch.int64))


def test_parts_have_the_parameters_that_the_published_code_prints():
    with torch.device("meta"):
        cfg = resnet50()
        net = DeepMask.__new__(DeepMask)
        nn.Module.__init__(net)
        net.trunk = cut_trunk(dataclasses.replace(cfg.trunk, frozen_norm=True), 4, "replicate")
        net.head = MaskHead(1024, 10, cfg.head)

    def count(*parts):
        return sum(p.numel() for part in parts for p in part.parameters())

    counts = {"trunk": count(net.trunk, net.head.reduce, net.head.encode), "mask": count(net.head.mask),
              "score": count(net.head.score)}
    assert counts == PARAMETERS and count(net) == sum(PARAMETERS.values())


def test_the_trunk_ends_at_its_level_and_gives_the_map_before_each_halving():
    net = cut_trunk(TrunkConfig("resnet50"), 4, "zeros").eval()
    with torch.no_grad():
        maps = maps_of(net, torch.rand(1, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (64, 32, 32)]
    small = cut_trunk(TrunkConfig("slim", scale=0.25), 4, "zeros").eval()
    with torch.no_grad():
        shapes = [tuple(m.shape[1:]) for m in maps_of(small, torch.rand(1, 3, 48, 48))]
    assert shapes == [(64, 12, 12), (32, 24, 24), (16, 48, 48)]
    three = cut_trunk(TrunkConfig("resnet50"), 3, "zeros")
    assert sum(p.numel() for p in three.parameters()) < sum(p.numel() for p in net.parameters())
    assert cut_trunk(TrunkConfig("small"), 2, "zeros").levels == (2,)


@pytest.mark.parametrize("octaves", [0.0, -1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_a_dense_window_is_the_patch_that_it_stands_for(kind, octaves):
    """With as much context as the trunk can see, to 1e-4, windows in the image's interior."""
    net = model(**{"window.context": 20, "head.kind": kind, "window.scales": [octaves]}).eval()
    images, _ = scenes(1, 200)
    with torch.no_grad():
        dense = net.dense(normalised(net.trunk, images)[0])
        side = dense.windows[0, 2] - dense.windows[0, 0]
        low, high = dense.windows[:, :2] - side / 2, dense.windows[:, 2:] + side / 2
        inner = ((low >= 0) & (high <= 200)).all(1).nonzero().squeeze(1)[::17]
        assert len(inner) > 1
        pictures = net.pictures(images, [only_windows(net, dense.windows[inner])])
        _, vectors, scores = net.on_windows(pictures)
    torch.testing.assert_close(dense.scores[inner], scores.flatten(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(dense.vectors[inner], vectors.flatten(1), atol=1e-4, rtol=1e-4)


def borders_gap(padding, context):
    """How far patches are from dense windows in the interior, in standard deviations of what describes them."""
    net = model(padding=padding, **{"window.context": context, "window.scales": [0.0]}).eval()
    images, _ = scenes(1, 128)
    with torch.no_grad():
        dense = net.dense(normalised(net.trunk, images)[0])
        inner = ((dense.windows[:, :2] >= 20) & (dense.windows[:, 2:] <= 108)).all(1).nonzero().squeeze(1)[::7]
        _, vectors, _ = net.on_windows(net.pictures(images, [only_windows(net, dense.windows[inner])]))
    return ((dense.vectors[inner] - vectors.flatten(1)).pow(2).mean().sqrt() / dense.vectors.std()).item()


def test_padding_at_a_patchs_border_is_measured():
    gaps = {(p, c): borders_gap(p, c) for p in ("zeros", "reflect", "replicate") for c in (0, 4)}
    assert all(gaps[p, 4] < gaps[p, 0] for p in ("zeros", "reflect", "replicate"))  # context helps
    assert gaps["reflect", 4] < gaps["zeros", 4] and gaps["replicate", 4] < gaps["zeros", 4]  # so does mirroring
    assert min(gaps.values()) > 0.01  # and neither makes patches exactly what dense windows are


def test_mirroring_with_the_edge_is_replication_for_one_pixel():
    x = torch.rand(1, 1, 5, 5)
    symmetric = torch.cat([x[..., :1], x, x[..., -1:]], -1)
    assert F.pad(x, (1, 1, 0, 0), mode="replicate").equal(symmetric)
    assert not F.pad(x, (1, 1, 0, 0), mode="reflect").equal(symmetric)


def test_score_mask_and_window_belong_to_the_same_cell():
    """What a window says depends on the pixels in that window: blank them, and only windows that see it change."""
    net = model(**{"window.scales": [0.0], "window.context": 0, "padding": "zeros"}).eval()
    images, _ = scenes(1, 128)
    changed = images.clone()
    changed[..., 60:64, 80:84] = 255
    with torch.no_grad():
        before, after = [net.dense(normalised(net.trunk, x)[0]) for x in (images, changed)]
    sees = ((before.windows[:, :2] < torch.tensor([84.0 + 20, 64 + 20]))
            & (before.windows[:, 2:] > torch.tensor([80.0 - 20, 60 - 20]))).all(1)
    low, high = torch.tensor([80.0, 60]), torch.tensor([84.0, 64])
    core = ((before.windows[:, :2] <= low) & (before.windows[:, 2:] >= high)).all(1)
    for a, b in ((before.scores, after.scores), (before.vectors.norm(dim=1), after.vectors.norm(dim=1))):
        moved = (a - b).abs() > 1e-6
        assert moved[core].float().mean() > 0.95 and not moved[~sees].any()
    row, column = before.cell.T
    assert (before.windows[:, 1] == 4 * row - 20).all() and (before.windows[:, 0] == 4 * column - 20).all()


def test_a_mask_is_laid_where_its_window_is():
    """An oracle's masks, cut by the windows and laid back, cover the object: no cell between mask and place."""
    _, targets = scenes(1, 96)
    net = model()
    for octaves in net.cfg.window.scales:
        windows = grid((96, 96), octaves, net.cfg.window).windows
        gt, label = label_windows(windows, targets[0]["boxes"], net.cfg.window, net.cfg.centred)
        chosen = (label == 1).nonzero().squeeze(1)
        patches = Patches(windows[chosen], label[chosen], gt[chosen])
        masks = paste(true_masks(targets, [patches], 28).float() * 2 - 1, windows[chosen], (96, 96))
        overlap = mask_iou(masks, targets[0]["masks"])
        assert (overlap[torch.arange(len(chosen)), gt[chosen]] > 0.9).all()


def test_training_windows_keep_to_the_rule_in_one_frame():
    torch.manual_seed(0)
    net, (images, targets) = model(**{"patches.per_image": 40}), scenes()
    for of_image, target in zip(net.sample(images, targets), targets):
        positive = of_image.label == 1
        assert positive.sum() == 20 and (~positive).sum() == 20
        off, octaves = offsets(of_image.windows[positive], target["boxes"], net.cfg.window)
        row = torch.arange(20)
        off, octaves = off[row, of_image.gt], octaves[row, of_image.gt]
        assert 0.08 < off.abs().max() <= 0.1 + 1e-5 and 0.2 < octaves.abs().max() <= 0.25 + 1e-5
        assert (off.amin(0) < -0.03).all() and (off.amax(0) > 0.03).all()  # both ways, and both larger and smaller
        assert octaves.min() < -0.1 and octaves.max() > 0.1
        negatives = of_image.windows[~positive]
        _, label = label_windows(negatives, target["boxes"], net.cfg.window, net.cfg.centred)
        assert (label == 0).all()
        sides = negatives[:, 2] - negatives[:, 0]  # of 2^.5 to 2^-2.5 times the image
        assert (sides > 40 / 2**0.5 - 1e-3).all() and 60 < sides.max() < 40 * 2**2.5 + 1e-3
        middle = (negatives[:, :2] + negatives[:, 2:]) / 2
        assert (middle >= 0).all() and (middle <= 96).all()


def test_windows_without_objects_lie_in_the_image_and_not_in_its_padding():
    net, (images, targets) = model(), scenes(1)
    narrow = [{**targets[0], "size": torch.tensor([96, 40])}]
    (patches,) = net.sample(images, narrow, PatchConfig(per_image=40, positive=0.0))
    across, down = ((patches.windows[:, :2] + patches.windows[:, 2:]) / 2).amax(0).tolist()
    assert len(patches.windows) == 40 and across < 40 < down < 96


def test_both_branches_learn_from_the_same_windows():
    net, (images, targets) = model(), scenes()
    torch.manual_seed(3)
    patches = net.sample(images, targets)
    torch.manual_seed(3)
    losses = net.losses(images, targets)
    label = torch.cat([p.label for p in patches]).float()
    _, vectors, scores = net.on_windows(net.pictures(images, patches))
    logits = net.head.masks(vectors.flatten(1)[label == 1])
    truth = true_masks(targets, patches, 28).float()
    slow_mask = sum(F.softplus(-x) if y else F.softplus(x) for x, y in zip(logits.flatten(), truth.flatten()))
    slow_score = sum(F.softplus(-x) if y else F.softplus(x) for x, y in zip(scores.flatten(), label))
    torch.testing.assert_close(losses["mask"], slow_mask / truth.numel())
    torch.testing.assert_close(losses["score"], slow_score / len(label) / 32)


def test_the_weight_of_the_score_does_not_change_with_the_batch():
    """Twice the images are no other loss; neither is a half whose images have no objects, for the masks."""
    net, (images, targets) = model(**{"patches.per_image": 100}).eval(), scenes(1)
    nothing = {**targets[0], "boxes": torch.zeros(0, 4), "masks": torch.zeros(0, 96, 96, dtype=torch.bool),
               "labels": torch.zeros(0, dtype=torch.int64), "crowd": torch.zeros(0, dtype=torch.bool)}
    torch.manual_seed(0)
    once = net.losses(images, targets)
    for others in (targets, [nothing]):
        torch.manual_seed(0)
        twice = net.losses(images.repeat(2, 1, 1, 1), targets + others)
        torch.testing.assert_close(twice["mask"], once["mask"], atol=6e-3, rtol=0)
        torch.testing.assert_close(twice["score"], once["score"], atol=6e-3, rtol=0)


@pytest.mark.parametrize("optimiser", [torch.optim.SGD, torch.optim.AdamW])
def test_a_branch_without_a_loss_does_not_move(optimiser):
    net, (images, targets) = model(), scenes()
    options = {"momentum": 0.9} if optimiser is torch.optim.SGD else {}
    steps = optimiser(net.parameters(), 0.01, weight_decay=0.1, **options)
    crowds = [{**t, "crowd": torch.ones(2, dtype=torch.bool)} for t in targets]
    for wanted in (targets, crowds):
        before = {k: v.clone() for k, v in net.head.named_parameters()}
        steps.zero_grad(set_to_none=True)
        losses = net.losses(images, wanted)
        sum(losses.values()).backward()
        steps.step()
    assert losses["mask"].item() == 0 and net.head.mask.weight.grad is None
    assert net.head.mask.weight.equal(before["mask.weight"]) and net.head.mask.bias.equal(before["mask.bias"])
    assert not net.head.score[0].weight.equal(before["score.0.weight"])


@pytest.mark.parametrize("kind", KINDS)
def test_heads_share_what_the_figure_says(kind):
    """Fig. 3.3: which of the mask's layers the score's loss reaches."""
    head = MaskHead(64, 10, MaskHeadConfig(kind, 32, 128, 256, 14, 28, 128))
    _, scores = head(torch.rand(2, 64, 12, 12))
    assert scores.shape == (2, 3, 3)
    scores.sum().backward()
    reached = {name for name in ("reduce", "encode", "mask")
               if any(p.grad is not None for p in getattr(head, name).parameters())}
    assert reached == {"deepmask": set(), "A": set(), "B": {"reduce"}, "C": {"reduce", "encode"}}[kind]


def test_detections_and_their_order():
    net, (images, _) = model(**{"propose.keep": 60}).eval(), scenes()
    proposed = net.detect(images, torch.tensor([[96, 96], [80, 64]]))
    for found, (height, width) in zip(proposed, ((96, 96), (80, 64))):
        assert found["scores"].equal(found["scores"].sort(descending=True).values) and len(found["boxes"]) <= 60
        masks = paste(found["window_masks"], found["windows"], (height, width), found["threshold"].item())
        near = (tight_boxes(masks) - found["boxes"]).abs()[masks.flatten(1).any(1)]
        assert near.median() < 1 and (found["labels"] == 1).all()
        assert (found["boxes"] >= 0).all() and (found["boxes"] <= torch.tensor([width, height] * 2)).all()
    alone = net.detect(images[1:, :, :80, :64])[0]
    torch.testing.assert_close(alone["scores"], proposed[1]["scores"], atol=1e-5, rtol=1e-4)
    assert net.dense(normalised(net.trunk, images)[0]).scale.unique().tolist() == [*range(7)]


def test_what_lies_beyond_an_image_is_the_mean_colour():
    net, (images, _) = model(), scenes(1)
    of_scale = grid((96, 96), 0.0, net.cfg.window)
    x = padded(normalised(net.trunk, images)[0], of_scale)
    assert x.shape[2:] == of_scale.padded and (x[..., :24, :] == 0).all() and (x[..., 120:] == 0).all()
    corner = torch.tensor([[-20.0, -20, 20, 20]])
    picture = net.pictures(images, [only_windows(net, corner)])
    torch.testing.assert_close(picture[0], x[0, :, :48, :48])


def test_learns_two_scenes_by_heart():
    net, (images, targets) = model(**{"patches.per_image": 8, "propose.keep": 100}), scenes()
    steps = torch.optim.AdamW(net.parameters(), 0.004, weight_decay=0.01)
    for step in range(40):
        torch.manual_seed(step)
        losses = net.losses(images, targets)
        steps.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        steps.step()
    overlaps = []
    for found, target in zip(net.eval().detect(images), targets):
        masks = paste(found["window_masks"], found["windows"], (96, 96), 0.2)
        overlaps += mask_iou(target["masks"], masks[:40]).amax(1).tolist()
    assert min(overlaps) > 0.7, overlaps


def test_images_without_objects_and_clear_errors():
    net, (images, targets) = model(), scenes()
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64),
               "masks": torch.zeros(0, 96, 96, dtype=torch.bool)}
    losses = net.losses(images, [nothing, nothing])
    assert losses["mask"] == 0 and losses["score"] > 0
    with pytest.raises(ValueError, match="no 'masks'"):
        net.losses(images, [{"boxes": t["boxes"], "labels": t["labels"]} for t in targets])
    with pytest.raises(ValueError, match="a mask system"):
        net.detect(images, None, [torch.zeros(1, 4)] * 2)
    for changes, says in (({"head.kind": "D"}, "head.kind 'D'"), ({"padding": "mirror"}, "padding 'mirror'"),
                          ({"level": 7}, "level 7 of trunk 'slim'"), ({"head.enlarged": 7}, "head.enlarged 7 px"),
                          ({"patches.per_image": 0}, "patches: 0 an image"),
                          ({"trunk.frozen_norm": True}, "with trunk.frozen_norm"),
                          ({"window.size": 36, "head.kind": "deepmask"}, "on 9 cells")):
        with pytest.raises(ValueError, match=says):
            model(**changes)
    with pytest.raises(ValueError, match="has stride 4 px"):
        model(**{"window.stride": 2, "window.context": 4}).losses(images, targets)


def test_objects_cut_by_the_border_count_by_what_is_visible():
    net = model()
    mask = torch.zeros(1, 96, 96, dtype=torch.bool)
    mask[0, :20, 30:54] = True
    target = {"boxes": tight_boxes(mask), "labels": torch.tensor([1]), "masks": mask}
    torch.manual_seed(0)
    patches = net.sample(torch.zeros(1, 3, 96, 96, dtype=torch.uint8), [target])
    truth = true_masks([target], patches, 28)
    back = lay(truth.float(), patches[0].windows[patches[0].label == 1], (96, 96), 0.0) > 0.5
    assert (mask_iou(back, mask) > 0.85).all()


def test_small_objects_and_crowds_do_not_train():
    net = model(**{"patches.per_image": 8})
    masks = torch.zeros(3, 96, 96, dtype=torch.bool)
    masks[0, 10:12, 10:13] = True  # 6 px^2, of 6.25 that are asked for
    masks[1, 40:70, 40:70] = True
    masks[2, 80, 10:40] = True  # 1 px high, of 1.25
    target = {"boxes": tight_boxes(masks), "labels": torch.ones(3, dtype=torch.int64), "masks": masks,
              "crowd": torch.tensor([False, True, False])}
    patches = net.sample(torch.zeros(1, 3, 96, 96, dtype=torch.uint8), [target])[0]
    assert (patches.label == 0).all() and len(patches.label) == 8
    middle = (patches.windows[:, :2] + patches.windows[:, 2:]) / 2
    assert not ((middle >= 40) & (middle < 70)).all(1).any()

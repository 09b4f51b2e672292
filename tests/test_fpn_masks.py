"""FPN's mask proposals: which window answers for which object, the two ways to read a window, losses, rows."""
import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from test_deepmask import scenes
from torch import nn

from paperlib.config import override
from paperlib.data.batches import Batches
from paperlib.data.named_sets import load
from paperlib.parts.pyramids import FPN, PyramidConfig
from paperlib.parts.windows.cell_head import CellHead, CellHeadConfig
from paperlib.parts.windows.levels import (
    LevelWindowConfig,
    label_cells,
    level_windows,
    object_sizes,
    octaves_of,
    places_of,
)
from paperlib.parts.windows.overlap import mask_iou, tight_boxes
from paperlib.parts.windows.resampling import lay, paste
from paperlib.scoring.coco_metrics import evaluate
from paperlib.scoring.segments.bounds import upper_bound
from paperlib.systems.fpn_masks import FPNMasks
from paperlib.systems.presets.fpn_masks import resnet50, scale
from paperlib.training.loop import fit
from paperlib.training.recipes import Recipe

CPU = torch.device("cpu")
SHAPES = {2: (16, 16), 3: (8, 8), 4: (4, 4), 5: (2, 2), 6: (1, 1)}  # of an image of 64 px


def model(seed=0, **changes):
    torch.manual_seed(seed)
    return FPNMasks(override(scale(3), changes))


def boxed(*objects):
    """Boxes of these middles and sides: (x, y, longer side), half as high as wide."""
    return torch.tensor([[x - side / 2, y - side / 4, x + side / 2, y + side / 4] for x, y, side in objects])


def test_object_sizes_are_the_papers_and_a_second_mlp_is_half_an_octave_above():
    sizes = object_sizes(LevelWindowConfig(), (2, 3, 4, 5, 6))
    assert sizes[::2].tolist() == [32, 64, 128, 256, 512]
    torch.testing.assert_close(sizes[1::2], sizes[::2] * math.sqrt(2))
    assert [octaves_of(kernel) for kernel in (5, 7, 9, 11)] == [0, 0.5, 1, 1]
    small = object_sizes(scale().windows, (2, 3), 0.5)
    torch.testing.assert_close(small, 8 * 2 ** torch.tensor([0, 0.5, 1, 1.5]))


def test_windows_are_a_quarter_larger_than_their_objects_and_centred_on_their_cells():
    laid = level_windows(LevelWindowConfig(), SHAPES)
    assert len(laid.windows) == 2 * sum(h * w for h, w in SHAPES.values())
    side = laid.windows[:, 2] - laid.windows[:, 0]
    plain = laid.place % 2 == 0
    assert side[plain].unique().tolist() == [40, 80, 160, 320, 640]
    torch.testing.assert_close(side, 1.25 * laid.sizes[laid.place])
    torch.testing.assert_close(laid.middles, (laid.windows[:, :2] + laid.windows[:, 2:]) / 2)
    of_p3 = ((laid.place == 2) & (laid.cell == torch.tensor([1, 3])).all(1)).nonzero().item()
    assert laid.windows[of_p3].tolist() == [28 - 40, 12 - 40, 28 + 40, 12 + 40]  # row 1, column 3 of stride 8


def test_an_object_belongs_to_the_size_nearest_in_log_space():
    sizes = object_sizes(LevelWindowConfig(), (2, 3))  # 32, 45.3, 64, 90.5
    boxes = boxed(*[(0, 0, side) for side in (3, 32, 38, 38.1, 53.8, 54, 76, 77, 900)])
    assert places_of(boxes, sizes).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3]  # 38.05, 53.8, 76.1: halfway
    alone = object_sizes(LevelWindowConfig((5,)), (2, 3))
    assert places_of(boxed((0, 0, 45), (0, 0, 45.5)), alone).tolist() == [0, 1]
    assert places_of(torch.tensor([[5.0, 5, 5, 5]]), sizes).tolist() == [0]  # no size at all is no error


def test_cells_within_one_of_an_objects_middle_answer_for_it_by_hand():
    laid = level_windows(LevelWindowConfig(), SHAPES)
    # 33 px wide around (29, 13): P2, 5x5; cells of 4 px have middles 26 and 30, 10 and 14 at most 4 px off
    gt, label = label_cells(laid, boxed((29, 13, 33)), 1.0)
    right = label == 1
    assert laid.place[right].unique().tolist() == [0] and (gt[right] == 0).all()
    assert sorted(map(tuple, laid.cell[right].tolist())) == [(2, 6), (2, 7), (3, 6), (3, 7)]
    # around a middle of a cell three of them lie within one cell, each way
    gt, label = label_cells(laid, boxed((30, 14, 33)), 1.0)
    assert sorted(map(tuple, laid.cell[label == 1].tolist())) == [(r, c) for r in (2, 3, 4) for c in (6, 7, 8)]
    _, half = label_cells(laid, boxed((29, 13, 33)), 0.5)
    assert laid.cell[half == 1].tolist() == [[2, 7], [3, 7]] or laid.cell[half == 1].tolist() == [[3, 7]]
    # 46 px: half an octave above, so the same cells of the other MLP
    _, label = label_cells(laid, boxed((29, 13, 46)), 1.0)
    assert laid.place[label == 1].tolist() == [1] * 4
    assert (label_cells(laid, torch.zeros(0, 4), 1.0)[1] == 0).all()


def test_of_two_objects_of_a_size_a_cell_has_the_nearer_and_crowds_hide_what_they_cover():
    laid = level_windows(LevelWindowConfig(), SHAPES)
    boxes = boxed((28, 14, 32), (33, 14, 32))
    gt, label = label_cells(laid, boxes, 1.0)
    at = {tuple(cell): int(g) for cell, g, one in zip(laid.cell.tolist(), gt, label) if one == 1}
    assert at[3, 6] == 0 and at[3, 7] == 0 and at[3, 8] == 1  # middles 26, 30, 34
    crowd = torch.tensor([True, False])
    gt, label = label_cells(laid, boxes, 1.0, crowd)
    assert set(gt[label == 1].tolist()) == {1}
    covered = ((laid.middles >= boxes[0, :2]) & (laid.middles < boxes[0, 2:])).all(1)
    assert (label[covered] != 0).all() and (label[~covered] >= 0).all()


def test_a_slow_rule_gives_the_same_labels():
    generator = torch.Generator().manual_seed(3)
    laid = level_windows(LevelWindowConfig(), SHAPES)
    boxes = boxed(*[(64 * x, 64 * y, 20 * 40**s) for x, y, s in torch.rand(12, 3, generator=generator).tolist()])
    gt, label = label_cells(laid, boxes, 1.0)
    sizes = laid.sizes.tolist()
    for r in range(len(laid.windows)):
        (row, column), step = laid.cell[r].tolist(), laid.stride[r].item()
        best = None
        for g, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            longer = max(x2 - x1, y2 - y1)
            distances = [abs(math.log(longer / size)) for size in sizes]
            dx, dy = (x1 + x2) / 2 - (column + 0.5) * step, (y1 + y2) / 2 - (row + 0.5) * step
            fits = distances.index(min(distances)) == laid.place[r] and max(abs(dx), abs(dy)) <= step
            if fits and (best is None or math.hypot(dx, dy) < best[0]):
                best = math.hypot(dx, dy), g
        assert (label[r] == 1) == (best is not None)
        assert best is None or gt[r] == best[1]


@pytest.mark.parametrize("kernel", [5, 7])
def test_dense_and_chosen_positions_are_the_same(kernel):
    torch.manual_seed(0)
    head, x = CellHead(6, kernel, CellHeadConfig(12, 14)), torch.randn(3, 6, 9, 7)
    dense = head.dense(x)
    image = torch.arange(3).repeat_interleave(63)
    cell = torch.cartesian_prod(torch.arange(9), torch.arange(7)).repeat(3, 1)
    for one, other in ((x, dense), (x.contiguous(memory_format=torch.channels_last), dense)):
        torch.testing.assert_close(head.at(one, image, cell), other.flatten(0, 1), atol=1e-5, rtol=1e-4)
    cut = F.pad(x, (3, 3, 3, 3))[1, :, 4 + 3 - kernel // 2:4 + 4 + kernel // 2, 2 + 3 - kernel // 2:2 + 4 + kernel // 2]
    by_hand = F.relu((head.hidden.weight * cut).sum((1, 2, 3)) + head.hidden.bias)
    torch.testing.assert_close(dense[1, 4 * 7 + 2], by_hand, atol=1e-5, rtol=1e-4)
    assert head.masks(dense[0]).shape == (63, 14, 14) and head.scores(dense).shape == (3, 63)


def test_what_a_step_reads_at_cells_is_what_the_dense_pass_says_there():
    net, (images, _) = model().eval(), scenes(2)
    with torch.no_grad():
        maps, laid = net.features(images)
        window = torch.randperm(len(laid.windows), generator=torch.Generator().manual_seed(0))[:90]
        image = torch.arange(90) % 2
        vectors = net.at(maps, laid, image, window)
        every = [net.dense(one) for one in images]
        dense = torch.stack([every[i].vectors[w] for i, w in zip(image.tolist(), window.tolist())])
        torch.testing.assert_close(vectors, dense, atol=1e-5, rtol=1e-4)
        for head in (0, 1):  # each by the layers of its own MLP
            of_head = (laid.place[window] % 2 == head).nonzero().squeeze(1)
            scores = net.heads[head].scores(vectors[of_head])
            want = [every[image[i]].scores[window[i]] for i in of_head.tolist()]
            torch.testing.assert_close(scores, torch.stack(want), atol=1e-5, rtol=1e-4)
        chosen = torch.tensor([7, 5000, 2500])
        for i, mask in zip(chosen.tolist(), net.masks(every[0], chosen)):
            head = net.heads[int(every[0].scale[i]) % 2]
            torch.testing.assert_close(mask, head.masks(every[0].vectors[i:i + 1])[0], atol=1e-5, rtol=1e-4)


def test_parameters_at_the_papers_size():
    with torch.device("meta"):
        pyramid = FPN(PyramidConfig(levels=(2, 3, 4, 5, 6), dim=128, extra="pool"), {2: 256, 3: 512, 4: 1024, 5: 2048})
        heads = [CellHead(128, kernel, CellHeadConfig(512, 14)) for kernel in (5, 7)]
        fine = CellHead(128, 5, CellHeadConfig(512, 28))

    def count(part):
        return sum(p.numel() for p in part.parameters())

    assert count(heads[0]) == (25 * 128 + 1) * 512 + 513 * 196 + 513 == 1_739_973
    assert count(heads[1]) - count(heads[0]) == 24 * 128 * 512
    assert count(fine) - count(heads[0]) == 513 * 3 * 196
    assert count(pyramid) == sum((c + 1) * 128 for c in (256, 512, 1024, 2048)) + 4 * (9 * 128 + 1) * 128
    cfg = resnet50()
    assert (cfg.pyramid.dim, cfg.head.hidden, cfg.samples, cfg.windows.kernels) == (128, 512, 128, (5, 7))


def test_two_images_equal_each_alone_and_shapes():
    net, (images, _) = model().eval(), scenes(2)
    both = net.detect(images, torch.tensor([[96, 96], [80, 70]]))
    alone = [net.detect(images[:1])[0], net.detect(images[1:, :, :80, :70])[0]]
    for one, other in zip(both, alone):
        assert len(one["boxes"]) == 1000
        for key, value in one.items():
            torch.testing.assert_close(value, other[key])
    logits, masks, windows = net.predict(images)
    cells = 48**2 + 24**2 + 12**2 + 6**2 + 3**2
    assert logits.shape == (2, 2 * cells) and masks.shape == (2, 2 * cells, 28, 28) and windows.shape == (2 * cells, 4)
    assert model(**{"windows.kernels": [7], "head.output": 14}).predict(images)[1].shape == (2, cells, 14, 14)


def test_losses_by_hand():
    """Ten times the mean over the pixels of all positives' masks, and the mean over all sampled windows."""
    net, (images, targets) = model(samples=10**6).eval(), scenes(2)
    losses = net.losses(images, targets)
    scores, masks = [], []
    for i, target in enumerate(targets):
        dense = net.dense(images[i])
        laid = net.features(images[i:i + 1])[1]
        gt, label = label_cells(laid, target["boxes"], 0.5)
        scores.append(F.binary_cross_entropy_with_logits(dense.scores, label.float(), reduction="none"))
        for r in (label == 1).nonzero().squeeze(1).tolist():
            shown = target["masks"][gt[r]][None, None].float()
            truth = F.grid_sample(shown, grid_of(laid.windows[r], 28, 96), mode="bilinear", align_corners=False)
            masks.append((net.masks(dense, torch.tensor([r]))[0], truth[0, 0] > 0.5))
    torch.testing.assert_close(losses["score"], torch.cat(scores).mean(), atol=1e-5, rtol=1e-4)
    want = [F.binary_cross_entropy_with_logits(logits, truth.float()) for logits, truth in masks]
    torch.testing.assert_close(losses["mask"], 10 * torch.stack(want).mean(), atol=0.03, rtol=0.01)


def grid_of(window, side, size):
    """Middles of the cells of a window as `grid_sample` has them."""
    x1, y1, x2, y2 = (2 * window / size - 1).tolist()
    steps = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(y1 + (y2 - y1) * steps, x1 + (x2 - x1) * steps, indexing="ij")
    return torch.stack([x, y], -1)[None]


def test_samples_are_one_to_three_and_cells_beyond_an_image_do_not_train():
    net, (images, targets) = model(**{"windows.reach": 3.0, "samples": 40}), scenes(2)
    seen = {}

    def note(vectors, layer, place):
        seen[layer] = seen.get(layer, 0) + len(place)
        return FPNMasks._by_head(net, layer, vectors, place)

    net._by_head = lambda layer, vectors, place: note(vectors, layer, place)
    net.losses(images, targets)
    assert seen == {"scores": 80, "masks": 20}
    laid = net.features(images)[1]
    _, label = net.assign(laid, targets[0], torch.tensor([50, 70]))
    beyond = (laid.middles[:, 0] >= 70) | (laid.middles[:, 1] >= 50)
    assert (label[beyond] == -1).all() and (label[~beyond] >= 0).all()


def test_everything_is_trained_and_nothing_else_moves():
    net, (images, targets) = model(), scenes(2)
    losses = net.losses(images, targets)
    losses["mask"].backward(retain_graph=True)
    assert all(head.score.weight.grad is None for head in net.heads)
    assert net.trunk.stem[0].conv.weight.grad.abs().sum() > 0  # trunk and pyramid learn from masks, too
    assert net.pyramid.lateral["3"].weight.grad.abs().sum() > 0  # 18 px: P3
    net.zero_grad(set_to_none=True)
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64),
               "masks": torch.zeros(0, 96, 96, dtype=torch.bool)}
    losses = net.losses(images, [nothing, nothing])
    assert losses["mask"] == 0 and losses["score"] > 0
    sum(losses.values()).backward()
    assert all(head.mask.weight.grad is None for head in net.heads)
    one = {key: value[:1] for key, value in targets[0].items() if key in ("boxes", "labels", "masks")}
    assert net.losses(images[:1], [one])["mask"] > 0


def test_loss_falls_and_masks_fit_after_training_on_four_images():
    net, (images, targets) = model().train(), scenes(4)
    steps = torch.optim.AdamW(net.parameters(), 0.004)
    history = []
    for _ in range(40):
        steps.zero_grad()
        losses = net.losses(images, targets)
        sum(losses.values()).backward()
        steps.step()
        history.append([losses["mask"].item(), losses["score"].item()])
    first, last = torch.tensor(history[:3]).mean(0), torch.tensor(history[-3:]).mean(0)
    assert (last < first * torch.tensor([0.3, 0.6])).all(), (first, last)
    overlaps = []
    for target, found in zip(targets, net.eval().detect(images)):
        masks = paste(found["window_masks"][:30], found["windows"][:30], (96, 96), 0.5)
        overlaps += mask_iou(target["masks"], masks).amax(1).tolist()
    assert sum(overlaps) / len(overlaps) > 0.6, overlaps


def test_it_trains_and_is_scored_as_the_other_mask_systems(scenes):
    dataset = load(scenes, None)
    net = model()
    recipe = Recipe(steps=3, batch=2, lr=0.01, bf16=False)
    history = list(fit(net, Batches(dataset, 2, seed=0, masks=True), recipe, CPU, 0))
    assert len(history) == 3 and all(math.isfinite(record["mask"]) for record in history)
    metrics = evaluate(net, dataset, CPU)
    assert {"seg AR1000", "seg ARs", "box AR100", "seg AUC"} <= set(metrics)
    bound = upper_bound(net, dataset, CPU)["bound AR"]
    assert bound >= metrics["seg AR1000"] - 1e-6
    net.cfg = dataclasses.replace(net.cfg, propose=dataclasses.replace(net.cfg.propose, bound=True))
    assert evaluate(net, dataset, CPU)["bound AR"] == bound


def test_objects_that_the_sizes_suit():
    boxes = boxed((0, 0, 5), (0, 0, 6), (0, 0, 100), (0, 0, 300))
    assert scale().right_sized(boxes, (128, 128)).tolist() == [False, True, True, False]
    assert "8, 11, 16" in scale().scales_said()[0]


def test_switches_reach_the_network_and_clear_errors():
    base = sum(p.numel() for p in model().parameters())
    assert sum(p.numel() for p in model(**{"windows.kernels": [5]}).parameters()) == base - (
        (49 * 32 + 1) * 128 + 129 * 784 + 129)
    assert sum(p.numel() for p in model(**{"head.output": 14}).parameters()) == base - 2 * 129 * 3 * 196
    images, targets = scenes(1)
    torch.manual_seed(0)
    net = model(mask_weight=0.0)
    assert net.losses(images, targets)["mask"] == 0
    for changes, says in (({"windows.kernels": [6]}, "windows.kernels"), ({"windows.kernels": []}, "windows.kernels"),
                          ({"windows.kernels": [9, 11]}, "half an octave"), ({"head.output": 0}, "masks of 0 px")):
        with pytest.raises(ValueError, match=says):
            model(**changes)
    with pytest.raises(ValueError, match="no 'masks'"):
        net.losses(images, [{"boxes": targets[0]["boxes"], "labels": targets[0]["labels"]}])
    with pytest.raises(ValueError, match="a mask system"):
        net.detect(images, None, [torch.zeros(1, 4)])


def test_objects_cut_by_the_border_count_by_what_is_visible():
    net = model(samples=10**6)
    mask = torch.zeros(1, 96, 96, dtype=torch.bool)
    mask[0, :22, 30:54] = True
    target = {"boxes": tight_boxes(mask), "labels": torch.tensor([1]), "masks": mask}
    laid = net.features(torch.zeros(1, 3, 96, 96, dtype=torch.uint8))[1]
    gt, label = net.assign(laid, target, torch.tensor([96, 96]))
    window = (label == 1).nonzero().squeeze(1)
    shown = net._true_masks(laid, [target], gt[window], torch.zeros_like(window), window)
    back = lay(shown.float(), laid.windows[window], (96, 96), 0.0) > 0.5
    assert len(window) and (mask_iou(back, mask) > 0.85).all()
    assert isinstance(net, nn.Module)

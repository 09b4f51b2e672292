"""SharpMask: modules, their two equal forms, what stays frozen, windows of an image, variants, stages."""
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from test_deepmask import model as deepmask
from test_deepmask import only_windows, scenes

from paperlib.config import override
from paperlib.data.batches import Batches
from paperlib.data.named_sets import load
from paperlib.parts.windows.refinement import RefineConfig, Refinement
from paperlib.parts.windows.trunk_maps import normalised
from paperlib.systems.presets.sharpmask import scale
from paperlib.systems.sharpmask import SharpMask
from paperlib.training import mask_stages
from paperlib.training.loop import fit
from paperlib.training.recipes import Recipe
from paperlib.training.weights import save_weights

CPU = torch.device("cpu")


def model(seed=0, **changes):
    torch.manual_seed(seed)
    return SharpMask(override(scale(3), changes))


def states(net, prefix="", without="refinement."):
    """Copies of all tensors of a state dict but those of the refinement."""
    return {k: v.clone() for k, v in net.state_dict().items() if k.startswith(prefix) and not k.startswith(without)}


def test_refinement_has_fewer_than_three_million_parameters():
    with torch.device("meta"):
        whole = Refinement([1024, 512, 256, 64], 10, 512, RefineConfig(), "replicate")
    count = sum(p.numel() for p in whole.parameters())
    first = whole.encode.weight.numel() + whole.encode.bias.numel()
    assert first == 513 * 3200 and 2_700_000 < count < 3_000_000


def test_schedules():
    assert RefineConfig().widths(4) == [32, 16, 8, 4, 2] and RefineConfig(4, "a").widths(4) == [4] * 5
    assert RefineConfig(2).widths(4) == [2, 1, 1, 1, 1] and RefineConfig(kind="skip").widths(3) == [1] * 4


@pytest.mark.parametrize("padding", ["zeros", "reflect", "replicate"])
def test_the_plain_and_the_regrouped_module_are_equal(padding):
    images, targets = scenes(1)
    outputs = []
    for plain in (True, False):
        net = model(padding=padding, **{"refine.plain": plain, "window.scales": [0.0, 0.5]}).eval()
        torch.manual_seed(1)
        net.enter("refine")
        loss = net.losses(images, targets)["mask"]
        loss.backward()
        with torch.no_grad():
            dense = net.dense(normalised(net.trunk, images)[0])
            refined = net.refine(dense, torch.arange(0, len(dense.scores), 7))
        grads = [p.grad.clone() for p in net.refinement.parameters()]
        outputs.append((loss.detach(), refined, *grads))
    for one, other in zip(*outputs):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert outputs[0][1].std() > 1e-3


def test_a_module_is_the_chapters_equation():
    """M^(i+1) = up(ReLU(conv([M^i, S^i]))), worked out with torch's convolutions alone."""
    torch.manual_seed(0)
    part = Refinement([6, 5], 4, 7, RefineConfig(8, between=3), "zeros")
    maps, vectors = [torch.rand(2, 6, 4, 4), torch.rand(2, 5, 8, 8)], torch.rand(2, 7)
    mask = part.encode(vectors).view(2, 8, 4, 4)
    for i, x in enumerate(maps):
        s = F.relu(part.skips[i][2](F.relu(part.skips[i][0](x))))
        weight = torch.cat([part.down[i].weight, part.across[i].weight], 1)
        joined = F.relu(F.conv2d(torch.cat([mask, s], 1), weight, part.down[i].bias, padding=1))
        mask = F.interpolate(joined, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(part(vectors, part.skip_maps(maps)), part.last(mask)[:, 0])
    assert part(vectors, part.skip_maps(maps)).shape == (2, 16, 16)


def test_the_skip_variant_is_the_mean_of_all_layers_outputs():
    torch.manual_seed(0)
    part = Refinement([6, 5], 4, 7, RefineConfig(kind="skip", between=3), "zeros")
    maps, vectors = [torch.rand(1, 6, 4, 4), torch.rand(1, 5, 8, 8)], torch.rand(1, 7)
    coarse, *layers = part.encode(vectors).view(1, 1, 4, 4), *part.skip_maps(maps)
    outputs = []
    for x, times in ((coarse, 2), (layers[0], 2), (layers[1], 1)):
        for _ in range(times):
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
        outputs.append(x)
    torch.testing.assert_close(part(vectors, layers), torch.cat(outputs, 1).mean(1))


def test_the_deconv_variant_does_not_look_at_the_maps():
    net, (images, _) = model(**{"refine.kind": "deconv", "window.scales": [0.0]}).eval(), scenes(1)
    assert len(net.refinement.skips) == 0
    with torch.no_grad():
        dense = net.dense(normalised(net.trunk, images)[0])
        blind = replace(dense, maps=[[torch.zeros_like(x) for x in maps] for maps in dense.maps])
        chosen = torch.arange(5)
        torch.testing.assert_close(net.refine(dense, chosen), net.refine(blind, chosen))
        sees = model(**{"window.scales": [0.0]}).eval()
        assert not sees.refine(dense, chosen).allclose(sees.refine(blind, chosen))


@pytest.mark.parametrize("octaves", [0.0, -1.0])
def test_a_refined_dense_window_is_the_patch_that_it_stands_for(octaves):
    """To 1e-4 where the patch has as much context as trunk and skips see: 20 px and two cells."""
    net = model(**{"window.context": 28, "window.scales": [octaves]}).eval()
    images, _ = scenes(1, 320)
    with torch.no_grad():
        dense = net.dense(normalised(net.trunk, images)[0])
        side = dense.windows[0, 2] - dense.windows[0, 0]
        low, high = dense.windows[:, :2] - 0.7 * side, dense.windows[:, 2:] + 0.7 * side
        inner = ((low >= 0) & (high <= 320)).all(1).nonzero().squeeze(1)[::61]
        assert len(inner) > 1
        maps, vectors, _ = net.on_windows(net.pictures(images, [only_windows(net, dense.windows[inner])]))
        parts = [net.inner(x, i) for i, x in enumerate(net.refinement.skip_maps(net.used(maps)))]
        patch = net.refinement(vectors.flatten(1), parts)
        torch.testing.assert_close(net.refine(dense, inner), patch, atol=1e-4, rtol=1e-4)


def test_the_top_windows_alone_are_refined_and_the_others_are_coarse():
    net, (images, _) = model(**{"refine.top": 6, "window.scales": [0.0]}).eval(), scenes(1)
    with torch.no_grad():
        dense = net.dense(normalised(net.trunk, images)[0])
        chosen = torch.arange(20)
        masks = net.masks(dense, chosen)
        torch.testing.assert_close(masks[:6], net.refine(dense, chosen[:6]))
        coarse = net.head.masks(dense.vectors[chosen[6:]])[:, None]
        torch.testing.assert_close(masks[6:], F.interpolate(coarse, (40, 40), mode="bilinear")[:, 0])
        net.cfg = replace(net.cfg, refined=False)
        torch.testing.assert_close(net.masks(dense, chosen), net.head.masks(dense.vectors[chosen]))


def test_raw_outputs_refine_the_best_windows_wherever_they_lie():
    net, (images, _) = model(**{"refine.top": 6, "window.scales": [0.0]}).eval(), scenes(1)
    with torch.no_grad():
        scores, masks, _ = net.predict(images)
        dense = net.dense(normalised(net.trunk, images)[0])
        best = scores[0].argsort(descending=True, stable=True)
        assert best[:6].min() > 6  # not the first of the grid
        torch.testing.assert_close(masks[0][best[:6]], net.refine(dense, best[:6]))
        torch.testing.assert_close(masks[0][best], net.masks(dense, best))


def test_skips_are_computed_once_a_scale_and_masks_once_a_window(monkeypatch):
    net, (images, _) = model(**{"window.scales": [-0.5, 0.0]}).eval(), scenes(1)
    calls = {"skips": 0, "windows": 0}

    def counted(key, size):
        def hook(module, inputs, output):
            calls[key] += size(inputs[0])
        return hook

    net.refinement.skips[0].register_forward_hook(counted("skips", lambda x: 1))
    net.refinement.down[0].register_forward_hook(counted("windows", len))
    net.detect(images)
    dense = net.dense(normalised(net.trunk, images)[0])
    assert calls == {"skips": 2, "windows": min(1000, len(dense.scores))}


def test_while_refinement_is_trained_all_else_stays_bit_equal():
    net, (images, targets) = model(), scenes()
    before, refinement = states(net), {k: v.clone() for k, v in net.refinement.state_dict().items()}
    net.train().enter("refine")
    steps = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1, 0.9, weight_decay=0.1)
    for _ in range(2):
        steps.zero_grad(set_to_none=True)
        losses = net.losses(images, targets)
        sum(losses.values()).backward()
        steps.step()
    assert set(losses) == {"mask"} and all(v.equal(before[k]) for k, v in states(net).items())
    moved = [not v.equal(refinement[k]) for k, v in net.refinement.state_dict().items()]
    assert all(moved)
    net.enter("all")
    losses = net.losses(images, targets)
    assert set(losses) == {"mask", "score"}
    assert not all(v.equal(before[k]) for k, v in states(net).items())  # norms' statistics move again
    assert net.trunk.stem[0].conv.weight.requires_grad and not net.head.mask.weight.requires_grad


def test_old_gradients_go_when_a_stage_begins():
    """They would count in the norm that is clipped, though what they are of learns no more."""
    net = model()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    net.enter("refine")
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(("kind", "across", "down"), [("full", False, True), ("skip", True, None)])
def test_each_module_has_one_bias(kind, across, down):
    part = Refinement([8, 8], 4, 16, RefineConfig(k=4, kind=kind), "zeros")
    assert [layer.bias is not None for layer in part.across] == [across] * 2
    assert [layer.bias is not None for layer in part.down] == [down] * 2 * (down is not None)


def test_frozen_stages_stay_frozen_when_everything_is_tuned():
    net = model(**{"trunk.frozen_stages": 2})
    net.enter("all")
    assert not net.trunk.stem[0].conv.weight.requires_grad and net.trunk.blocks[1][0].first.conv.weight.requires_grad


@pytest.fixture
def batches(scenes):
    return Batches(load(scenes, None), 2, seed=0, masks=True)


RECIPE = Recipe(steps=4, batch=2, lr=0.01, warmup=1, bf16=False)


@pytest.mark.parametrize("training, stages", [("two", [1] * 4 + [2] * 2), ("tuned", [1] * 4 + [2] * 2 + [3] * 2),
                                              ("forward", [1] * 4),
                                              ("one", [2] * 6)])
def test_stages_and_their_order(batches, training, stages):
    net = model(training=training)
    before = states(net.refinement, without="none")
    records = list(mask_stages.fit_sharpmask(net, batches, RECIPE, CPU, 3))
    assert [r["stage"] for r in records] == stages and [r["step"] for r in records] == [*range(len(stages))]
    assert len(stages) == mask_stages.length(net.cfg, 4)
    assert any(not v.equal(before[k]) for k, v in net.refinement.state_dict().items()) == (training != "forward")
    alone = deepmask(seed=3)
    torch.manual_seed(3)
    list(fit(alone, batches, RECIPE, CPU, 3))
    same = all(v.equal(net.state_dict()[k]) for k, v in alone.state_dict().items())
    assert same == (training in ("two", "forward"))  # the first stage is a DeepMask's own training, bit for bit


def test_a_trained_deepmask_is_taken_from_a_file(batches, tmp_path):
    first = deepmask(seed=5)
    path = save_weights(tmp_path / "deepmask.safetensors", "deepmask", first)
    net = model(deepmask=str(path))
    records = list(mask_stages.fit_sharpmask(net, batches, RECIPE, CPU, 3))
    assert [r["stage"] for r in records] == [2, 2] and len(records) == mask_stages.length(net.cfg, 4)
    assert all(v.equal(net.state_dict()[k]) for k, v in first.state_dict().items())
    other = save_weights(tmp_path / "other.safetensors", "deepmask", deepmask(**{"head.rank": 64}))
    with pytest.raises(ValueError, match=r"head\.encode\.weight is"):
        list(mask_stages.fit_sharpmask(model(deepmask=str(other)), batches, RECIPE, CPU, 3))


def test_a_run_goes_on_from_every_stage_and_shares_its_deepmask(batches, tmp_path):
    want = model()
    list(mask_stages.fit_sharpmask(want, batches, RECIPE, CPU, 3))
    for stop in (2, 5):
        folder = tmp_path / str(stop)
        run = mask_stages.fit_sharpmask(model(), batches, RECIPE, CPU, 3, folder / "a.checkpoint")
        for _ in range(stop):
            next(run)
        run.close()
        net = model()
        records = list(mask_stages.fit_sharpmask(net, batches, RECIPE, CPU, 3, folder / "a.checkpoint"))
        assert len(records) == 6 and all(v.equal(want.state_dict()[k]) for k, v in net.state_dict().items())
    assert len(list((tmp_path / "5" / "stages").glob("*.pt"))) == 2
    wider = model(**{"refine.k": 16})
    list(mask_stages.fit_sharpmask(wider, batches, RECIPE, CPU, 3, tmp_path / "5" / "b.checkpoint"))
    assert len(list((tmp_path / "5" / "stages").glob("*.pt"))) == 3  # the other row's DeepMask serves it


@pytest.mark.parametrize("changes, new", [({"zoom": [1.0]}, 0), ({"refined": False}, 0), ({"refine.top": 9}, 0),
                                          ({"training": "tuned"}, 1), ({"window.scales": [-1.0, 0.0]}, 2)])
def test_rows_that_are_trained_alike_are_trained_once(batches, tmp_path, changes, new):
    first, row = model(), model(**changes)
    list(mask_stages.fit_sharpmask(first, batches, RECIPE, CPU, 3, tmp_path / "a.checkpoint"))
    kept = set((tmp_path / "stages").glob("*.pt"))
    records = list(mask_stages.fit_sharpmask(row, batches, RECIPE, CPU, 3, tmp_path / "b.checkpoint"))
    assert len(kept) == 2 and len(set((tmp_path / "stages").glob("*.pt")) - kept) == new
    assert len(records) == mask_stages.length(row.cfg, 4)
    same = all(v.equal(row.state_dict()[k]) for k, v in first.state_dict().items())
    assert same == (new == 0)


def test_the_refinement_has_a_rate_of_its_own(batches):
    plain, quick = model(), model(**{"refine_rate": 4.0})
    rates = {}
    for name, net in (("plain", plain), ("quick", quick)):
        rates[name] = [record["lr"] for record in mask_stages.fit_sharpmask(net, batches, RECIPE, CPU, 3)]
    assert rates["quick"][:4] == rates["plain"][:4]
    assert rates["quick"][4:] == pytest.approx([4 * rate for rate in rates["plain"][4:]])


def test_zoom_adds_scales_to_the_test_alone():
    near, far = model(), model(**{"zoom": [1.0]})
    image = normalised(near.trunk, scenes()[0])[0]
    dense, zoomed = near.eval().dense(image), far.eval().dense(image)
    count = len(dense.scores)
    assert zoomed.windows[:count].equal(dense.windows) and zoomed.scores[:count].equal(dense.scores)
    added = zoomed.windows[count:, 2] - zoomed.windows[count:, 0]
    assert len(added) > count / 4 and (added == near.cfg.window.size / 2).all()
    small = torch.tensor([[40.0, 40, 51, 51]])  # of half the size that is right at the scale 1
    assert [net.cfg.right_sized(small, (96, 96)).item() for net in (near, far)] == [False, True]


def test_images_without_objects_and_clear_errors():
    net, (images, _) = model(), scenes()
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64),
               "masks": torch.zeros(0, 96, 96, dtype=torch.bool)}
    losses = net.losses(images, [nothing, nothing])
    assert losses["mask"] == 0 and losses["score"] > 0
    for changes, says in (({"refine.kind": "up"}, "kind 'up'"), ({"refine.schedule": "c"}, "schedule 'c'"),
                          ({"refine.skip_layers": 3}, "3 skip layers"), ({"training": "three"}, "training 'three'")):
        with pytest.raises(ValueError, match=says):
            model(**changes)
    with pytest.raises(ValueError, match="stage 'forward'"):
        net.enter("forward")
    with pytest.raises(ValueError, match="no 'masks'"):
        net.losses(images, [{"boxes": torch.zeros(0, 4)}] * 2)

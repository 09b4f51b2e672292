"""Crops of regions: equal to a slow definition, to torchvision's resampling, and to the paper's geometry."""
import math

import pytest
import torch
import torch.nn.functional as F
from torchvision import ops

from paperlib.parts.crops.warp import KINDS, CropConfig, crops, sources

MEAN = torch.tensor([0.4, 0.5, 0.6])
REGIONS = torch.tensor([[5.0, 8.0, 40.0, 20.0], [-6.0, 2.0, 12.0, 60.0], [30.0, 30.0, 90.0, 71.0],
                        [3.0, 3.0, 3.5, 9.0]])


def picture(seed=0, size=(48, 64)):
    return torch.rand(3, *size, generator=torch.Generator().manual_seed(seed))


def slow_crop(image, region, cfg, fill):
    """One crop, pixel by pixel, from App. A's words."""
    x1, y1, x2, y2 = region.tolist()
    w, h = x2 - x1, y2 - y1
    inner = cfg.size - 2 * cfg.context
    if cfg.kind == "warp":
        px, py = w / inner, h / inner  # px of the image in one px of the crop
    else:
        px = py = max(w, h) / inner
    out = fill[:, None, None].repeat(1, cfg.size, cfg.size)
    for i in range(cfg.size):
        for j in range(cfg.size):
            dx, dy = (j + 0.5 - cfg.size / 2) * px, (i + 0.5 - cfg.size / 2) * py
            if cfg.kind == "square_alone" and (abs(dx) > w / 2 + cfg.context * px
                                               or abs(dy) > h / 2 + cfg.context * py):
                continue
            x, y = (x1 + x2) / 2 + dx - 0.5, (y1 + y2) / 2 + dy - 0.5
            out[:, i, j] = 0
            for yy in (math.floor(y), math.floor(y) + 1):
                for xx in (math.floor(x), math.floor(x) + 1):
                    inside = 0 <= yy < image.shape[1] and 0 <= xx < image.shape[2]
                    value = image[:, yy, xx] if inside else fill
                    out[:, i, j] += (1 - abs(y - yy)) * (1 - abs(x - xx)) * value
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("context", [0.0, 2.5])
def test_crops_equal_the_slow_definition(kind, context):
    cfg, image = CropConfig(12, context, kind), picture()
    fast = crops(image, REGIONS, cfg, MEAN)
    for crop, region in zip(fast, REGIONS):
        torch.testing.assert_close(crop, slow_crop(image, region, cfg, MEAN), atol=2e-4, rtol=0)


def test_inside_the_image_a_warp_is_torchvisions_bilinear_sampling():
    cfg, image = CropConfig(16, 0.0), picture()
    inner = torch.tensor([[4.0, 6.0, 50.0, 30.0], [10.0, 10.0, 20.0, 40.0]])
    want = ops.roi_align(image[None], [inner], 16, sampling_ratio=1, aligned=True)
    torch.testing.assert_close(crops(image, inner, cfg), want, atol=1e-5, rtol=0)


def test_filling_with_the_mean_before_subtraction_or_with_nothing_after_it_is_the_same():
    cfg, image = CropConfig(20, 3.0), picture()
    before = crops(image, REGIONS, cfg, MEAN) - MEAN.view(3, 1, 1)
    after = crops(image - MEAN.view(3, 1, 1), REGIONS, cfg)
    torch.testing.assert_close(before, after, atol=1e-6, rtol=0)
    padded = F.pad(image - MEAN.view(3, 1, 1), (30, 30, 30, 30)) + MEAN.view(3, 1, 1)
    torch.testing.assert_close(crops(padded, REGIONS + 30, cfg, MEAN), crops(image, REGIONS, cfg, MEAN),
                               atol=2e-5, rtol=0)
    assert not crops(image, REGIONS, cfg).allclose(crops(image, REGIONS, cfg, MEAN), atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_exactly_the_context_surrounds_the_region(kind):
    cfg = CropConfig(227, 16.0, kind)
    region = torch.tensor([[100.0, 120.0, 180.0, 160.0]])
    image = torch.zeros(3, 300, 300)
    image[:, 120:160, 100:180] = 1
    crop = crops(image, region, cfg)[0, 0] > 0.5
    columns, rows = crop.any(0).nonzero(), crop.any(1).nonzero()
    assert (int(columns[0]), int(columns[-1])) == (16, 210)
    if kind == "warp":
        assert (int(rows[0]), int(rows[-1])) == (16, 210)
    else:  # the square has the longer side
        assert (int(rows[0]), int(rows[-1])) == (65, 161)
    width = (sources(region, cfg)[0, 2] - sources(region, cfg)[0, 0]).item()
    assert width == pytest.approx(80 * 227 / 195)


def test_a_square_alone_shows_the_context_and_no_more():
    image, region = torch.ones(3, 300, 300), torch.tensor([[100.0, 120.0, 180.0, 160.0]])
    shown = crops(image, region, CropConfig(100, 10.0, "square_alone"))[0, 0]
    assert shown.any(1).sum() == 60 and shown.any(0).sum() == 100  # 40 px of the region, twice 10 around it
    assert crops(image, region, CropConfig(100, 10.0, "square"))[0, 0].all()


def test_a_mask_leaves_the_mean_around_what_it_covers():
    image, region, cfg = picture(), torch.tensor([[8.0, 8.0, 40.0, 40.0]]), CropConfig(32, 0.0)
    mask = torch.zeros(1, 48, 64, dtype=torch.bool)
    mask[:, 8:24, 8:40] = True
    full, fg = crops(image, region, cfg, MEAN), crops(image, region, cfg, MEAN, mask)
    torch.testing.assert_close(fg[0, :, :16], full[0, :, :16], atol=1e-5, rtol=0)
    torch.testing.assert_close(fg[0, :, 16:], MEAN.view(3, 1, 1).expand(3, 16, 32))


def test_no_region_and_wrong_configurations():
    assert crops(picture(), torch.zeros(0, 4), CropConfig(8, 1.0)).shape == (0, 3, 8, 8)
    with pytest.raises(ValueError, match=r"crop.kind 'round': expected one of warp, square, square_alone"):
        CropConfig(kind="round")
    with pytest.raises(ValueError, match=r"crop.context 24 px on each side of 48 px: expected 0 to less than 24.0"):
        CropConfig(48, 24)

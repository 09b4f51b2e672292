"""DeepMask's and SharpMask's exact claims, computed: `FACTS[id]()` is (value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
from dataclasses import replace

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated
from paperlib.parts.windows.heads import MaskHead, MaskHeadConfig
from paperlib.parts.windows.refinement import RefineConfig, Refinement
from paperlib.systems.sharpmask import SharpMask, SharpMaskConfig

TRUNKS = ("DeepMask", "W160-P4-D39-F128", "W112-P4-D39", "W112-P3-D21")  # one of each window and pooling
CHANNELS = (1024, 512, 256, 64)  # of the trunk before each pooling, from the top: conv4 to conv1


def _cells(row: dict) -> float:
    """The side of the top layer's map: the window after P poolings."""
    return row["W"] / 2 ** row["P"]


def _window_cells(column: str, claim: str):
    rows = printed("sharpmask/1")
    cells = [_cells(rows[name]) for name in TRUNKS]
    everywhere = all(_cells(row) == row[column] for row in rows.values())
    return cells, cells == stated(claim) and everywhere, f"W / 2^P, equal to column {column} of every row"


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def _up(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _part(channels: tuple[int, ...] = CHANNELS, rank: int = 512, **changes) -> Refinement:
    """The refinement, with weights of 64 bits; windows of 10 cells, as published."""
    torch.manual_seed(0)
    return Refinement(list(channels), 10, rank, RefineConfig(**changes), "replicate").double()


def refactored():
    vectors, maps = _random(2, 7), [_random(2, 5, 10, 10), _random(2, 3, 20, 20)]
    plain, regrouped = _part((5, 3), 7, between=6, plain=True), _part((5, 3), 7, between=6)
    coarse, fine = plain.skip_maps(maps)
    with_border = [plain.bordered(coarse), plain.bordered(fine)]
    parts = regrouped.steps(vectors, regrouped.skip_maps(maps))[-1]
    gap = (plain.steps(vectors, with_border)[-1] - parts).abs().max().item()
    formula = "max |masks of modules with conv(cat(M, S)) - masks of modules with conv(M) + conv(S)|"
    return gap, gap < 1e-9, formula


WINDOWS, STRIDE = 500, 16  # refined proposals of an image; px between positions of the trunk's last map
PHOTOGRAPH, WINDOW = (480, 640), (160, 160)  # px, height and width


def regrouped_work():
    """Multiply-adds of the four joining convolutions: on both maps a window, or skips once an image."""
    plain = regrouped = 0
    for module in range(4):
        k, cell = 32 // 2**module, STRIDE // 2**module
        window, photograph = [(h // cell, w // cell) for h, w in (WINDOW, PHOTOGRAPH)]
        plain += WINDOWS * _work(2 * k, k // 2, window)
        regrouped += WINDOWS * _work(k, k // 2, window) + _work(k, k // 2, photograph)
    times = plain / regrouped
    return times, times > 1, "500 windows of [M, S] over 500 of M and one image of S"


def _work(inputs: int, outputs: int, size: tuple[int, int]) -> int:
    """Multiply-adds of a 3x3 convolution on a map."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        nn.Conv2d(inputs, outputs, 3, padding=1)(torch.empty(1, inputs, *size))
    return counter.get_total_flops() // 2


def refining_work(cfg: SharpMaskConfig, side: int) -> int:
    """Multiply-adds of refining 500 windows, with what they share of one image of `side` px."""
    with torch.device("meta"):
        net = SharpMask(replace(cfg, trunk=replace(cfg.trunk, weights=None)))
        part, cells, maps = net.refinement, side // cfg.window.stride, []
        for i, channels in enumerate(net.channels[:part.modules_count]):
            maps.append(torch.empty(1, channels, cells * 2**i, cells * 2**i))
        with FlopCounterMode(display=False) as counter:
            parts = []
            for i, x in enumerate(part.skip_maps(maps)):
                window = part.cells * 2**i
                parts.append(torch.empty(WINDOWS, x.shape[1], window, window))
            part(torch.empty(WINDOWS, part.encode.in_features), parts)
    return counter.get_total_flops() // 2


def skip_connection():
    vectors, maps = _random(2, 7), [_random(2, 5, 10, 10)]
    part = _part((5,), 7, between=6, kind="skip")
    mask, module = part.steps(vectors, part.skip_maps(maps))
    plain = _up(mask) + _up(part.across[0](part.skips[0](maps[0])))
    gap = (module - plain).abs().max().item()
    return gap, gap < 1e-9, "max |module with k_m = 1 and no top-down conv - (up(M) + up(conv(S)))|"


def _count(*layers: nn.Module) -> int:
    return paper_nets.parameters(nn.ModuleList(layers))


def network_parameters():
    with torch.device("meta"):
        first = torchvision.models.vgg11().features, MaskHead(512, 14, MaskHeadConfig("deepmask", 512))
        resnet = torchvision.models.resnet50()
        trunk = resnet.conv1, resnet.bn1, resnet.layer1, resnet.layer2, resnet.layer3
        rebuilt = *trunk, MaskHead(1024, 10, MaskHeadConfig("C", 128))
    of_deepmask, of_the_chapter = _count(*first) / 1e6, _count(*rebuilt) / 1e6
    before, after = stated("sharp-params-75-17")
    fits = abs(of_deepmask / before - 1) < 0.03 and abs(of_the_chapter / after - 1) < 0.03
    return [of_deepmask, of_the_chapter], fits, "trunk + mask branch + score branch, million"


def refinement_parameters():
    with torch.device("meta"):
        layers = Refinement(list(CHANNELS), 10, 512, RefineConfig(), "replicate")
    millions = _count(layers) / 1e6
    fits = millions < stated("sharp-refine-params")
    return millions, fits, "M^1 + four modules of two skip convs and one conv + the last conv, million"


def skips_are_shared():
    """A patch's skip features can be cut out of the image's; its mask encoding cannot be shared."""
    part, image = _part((3,), 3 * 100, between=6), _random(1, 3, 24, 32)
    whole, patch = part.skip_maps([image])[0], part.skip_maps([image[..., 4:22, 8:26]])[0]
    inner = slice(3, -3)  # three convolutions off the border
    gap = (whole[..., 4:22, 8:26] - patch)[..., inner, inner].abs().max().item()
    here, a_cell_right = image[..., 4:14, 8:18].flatten(1), image[..., 4:14, 9:19].flatten(1)
    encoding_differs = not part.encode(here).allclose(part.encode(a_cell_right))
    return gap, gap < 1e-9 and encoding_differs, "max |S of the image, cropped, - S of the crop|"


def full_resolution():
    side = _part(CHANNELS, 7, kind="deconv", k=8)(_random(1, 7), []).shape[-1]  # the skips change no size
    return side, side == stated("sharp-full-resolution"), "10 * 2^4"


def channel_schedule():
    channels = RefineConfig(k=32, schedule="b").widths(4)[:4]
    return channels, channels == stated("sharp-schedules"), "k / 2^(i - 1), k = 32"


def speed_ratios():
    text, heads = printed("sharpmask/text"), printed("sharpmask/2")
    deepmask, head_c = heads["DeepMask"]["total time"], heads["head C"]["total time"]
    sharpmask = text["time of SharpMask"]["value"]
    of_the_head, of_the_system = deepmask / head_c, deepmask / sharpmask
    least_of_the_head, least_of_the_system = stated("sharp-time-arithmetic")
    gain = text["gain in speed over DeepMask"]["value"] / 100
    faster = of_the_head > least_of_the_head and of_the_system > least_of_the_system
    fits = faster and agrees(1 - sharpmask / deepmask, gain, 1)
    formula = "1.59 / 0.46, 1.59 / 0.76; the 50% is time saved, 1 - 0.76 / 1.59"
    return [of_the_head, of_the_system], fits, formula


FACTS = {
    "sharp-kernel-size": lambda: _window_cells("kernel", "sharp-kernel-size"),
    "sharp-stride-density": lambda: _window_cells("S", "sharp-stride-density"),
    "sharp-refactor-equivalent": refactored, "sharp-refactor-faster": regrouped_work,
    "sharp-skip-special-case": skip_connection,
    "sharp-params-75-17": network_parameters, "sharp-refine-params": refinement_parameters,
    "sharp-skip-features-shared": skips_are_shared, "sharp-full-resolution": full_resolution,
    "sharp-schedules": channel_schedule, "sharp-time-arithmetic": speed_ratios,
}

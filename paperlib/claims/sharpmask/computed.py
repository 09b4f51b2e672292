"""DeepMask's and SharpMask's exact claims, computed: `FACTS[id]()` is (value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from paperlib.claims import paper_nets
from paperlib.claims.compare import agrees, printed, stated

TRUNKS = ("DeepMask", "W160-P4-D39-F128", "W112-P4-D39", "W112-P3-D21")  # one of each window and pooling
OUTPUT = 56 * 56  # pixels of the coarse mask; given, like the score branch, only in DeepMask's own paper


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


def refactored():
    torch.manual_seed(0)
    mask, skip = _random(2, 5, 10, 10), _random(2, 3, 10, 10)
    weight, bias = _random(4, 8, 3, 3), _random(4)
    whole = _up(F.relu(F.conv2d(torch.cat([mask, skip], 1), weight, bias, padding=1)))
    parts = F.conv2d(mask, weight[:, :5], bias, padding=1) + F.conv2d(skip, weight[:, 5:], padding=1)
    gap = (whole - _up(F.relu(parts))).abs().max().item()
    formula = "max |conv(cat(M, S), [A, B]) - conv(M, A) - conv(S, B)|, through ReLU and upsampling"
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


def skip_connection():
    torch.manual_seed(0)
    mask, skip, across = _random(2, 1, 10, 10), _random(2, 3, 10, 10), _random(1, 3, 3, 3)
    identity = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    identity[..., 1, 1] = 1  # the top-down convolution taken away
    module = _up(F.conv2d(torch.cat([mask, skip], 1), torch.cat([identity, across], 1), padding=1))
    plain = _up(mask) + _up(F.conv2d(skip, across, padding=1))
    gap = (module - plain).abs().max().item()
    return gap, gap < 1e-9, "max |module with k_m = 1 and no top-down conv - (up(M) + up(conv(S)))|"


def _count(*layers: nn.Module) -> int:
    return paper_nets.parameters(nn.ModuleList(layers))


def network_parameters():
    with torch.device("meta"):
        vgg = torchvision.models.vgg11().features
        mask = nn.Conv2d(512, 512, 1), nn.Linear(512 * 14 * 14, 512), nn.Linear(512, OUTPUT)
        score = nn.Linear(512 * 7 * 7, 512), nn.Linear(512, 1024), nn.Linear(1024, 1)
        of_deepmask = _count(vgg, *mask, *score) / 1e6
        resnet = torchvision.models.resnet50()
        trunk = resnet.conv1, resnet.bn1, resnet.layer1, resnet.layer2, resnet.layer3
        mask = nn.Conv2d(1024, 128, 1), nn.Linear(128 * 10 * 10, 512), nn.Linear(512, OUTPUT)
        score = nn.Linear(512, 1024), nn.Linear(1024, 1)
        of_the_chapter = _count(*trunk, *mask, *score) / 1e6
    before, after = stated("sharp-params-75-17")
    fits = abs(of_deepmask / before - 1) < 0.03 and abs(of_the_chapter / after - 1) < 0.03
    return [of_deepmask, of_the_chapter], fits, "trunk + mask branch + score branch, million"


def refinement_parameters():
    channels = (1024, 512, 256, 64)  # of the trunk before each pooling, from the top: conv4 to conv1
    with torch.device("meta"):
        layers = [nn.Linear(512, 32 * 10 * 10)]  # makes M^1
        for module, depth in enumerate(channels):
            k = 32 // 2**module
            layers += [nn.Conv2d(depth, 64, 3), nn.Conv2d(64, k, 3), nn.Conv2d(2 * k, max(k // 2, 1), 3)]
    millions = _count(*layers) / 1e6
    fits = millions < stated("sharp-refine-params")
    return millions, fits, "M^1 + four modules of two skip convs and one conv, million"


def skips_are_shared():
    """A patch's skip features can be cut out of the image's; its mask encoding cannot be shared."""
    torch.manual_seed(0)
    image, conv = _random(1, 3, 24, 32), nn.Conv2d(3, 4, 3, padding=1).double()
    whole, patch = conv(image), conv(image[..., 4:16, 8:20])
    cropped, a_pixel_right = whole[..., 4:16, 8:20], whole[..., 4:16, 9:21]
    gap = (cropped - patch)[..., 1:-1, 1:-1].abs().max().item()
    encode = nn.Linear(4 * 12 * 12, 5).double()
    encoding_differs = not torch.allclose(encode(cropped.flatten(1)), encode(a_pixel_right.flatten(1)))
    return gap, gap < 1e-9 and encoding_differs, "max |S of the image, cropped, - S of the crop|"


def full_resolution():
    mask = _random(1, 1, 10, 10)
    for _ in range(4):
        mask = _up(mask)
    side = mask.shape[-1]
    return side, side == stated("sharp-full-resolution"), "10 * 2^4"


def channel_schedule():
    channels = [32 // 2 ** (i - 1) for i in (1, 2, 3, 4)]
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

"""The exact claims of DeepMask and SharpMask, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from paperlib.claims.compare import agrees, printed, stated

TRUNKS = ("DeepMask", "W160-P4-D39-F128", "W112-P4-D39", "W112-P3-D21")  # one of each window and pooling
OUTPUT = 56 * 56  # pixels of the coarse mask; DeepMask's own paper gives it and the score branch, the chapter does not


def _window_cells(column: str, claim: str):
    rows = printed("sharpmask/1")
    found = [rows[name]["W"] / 2 ** rows[name]["P"] for name in TRUNKS]
    everywhere = all(row["W"] / 2 ** row["P"] == row[column] for row in rows.values())
    return found, found == stated(claim) and everywhere, f"W / 2^P, equal to column {column} of every row"


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
    return gap, gap < 1e-9, "max |conv(cat(M, S), [A, B]) - conv(M, A) - conv(S, B)|, through ReLU and upsampling"


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
    return sum(p.numel() for layer in layers for p in layer.parameters())


def network_parameters():
    with torch.device("meta"):
        vgg = torchvision.models.vgg11().features
        old = _count(vgg, nn.Conv2d(512, 512, 1), nn.Linear(512 * 14 * 14, 512), nn.Linear(512, OUTPUT),
                     nn.Linear(512 * 7 * 7, 512), nn.Linear(512, 1024), nn.Linear(1024, 1))
        body = torchvision.models.resnet50()
        new = _count(body.conv1, body.bn1, body.layer1, body.layer2, body.layer3, nn.Conv2d(1024, 128, 1),
                     nn.Linear(128 * 10 * 10, 512), nn.Linear(512, OUTPUT), nn.Linear(512, 1024), nn.Linear(1024, 1))
    found, told = [old / 1e6, new / 1e6], stated("sharp-params-75-17")
    return found, all(abs(f / s - 1) < 0.03 for f, s in zip(found, told)), "trunk + mask branch + score branch, million"


def refinement_parameters():
    channels = (1024, 512, 256, 64)  # of the trunk before each pooling, from the top down: conv4, conv3, conv2, conv1
    with torch.device("meta"):
        layers = [nn.Linear(512, 32 * 10 * 10)]  # makes M^1
        for i, c in enumerate(channels):
            k = 32 // 2**i
            layers += [nn.Conv2d(c, 64, 3), nn.Conv2d(64, k, 3), nn.Conv2d(2 * k, max(k // 2, 1), 3)]
    found = _count(*layers) / 1e6
    return found, found < stated("sharp-refine-params"), "M^1 + four modules of two skip convs and one conv, million"


def skips_are_shared():
    """A patch's skip features can be cut out of the image's; its mask encoding needs the patch's own top layer."""
    torch.manual_seed(0)
    image, conv = _random(1, 3, 24, 32), nn.Conv2d(3, 4, 3, padding=1).double()
    whole, patch = conv(image), conv(image[..., 4:16, 8:20])
    shared = (whole[..., 4:16, 8:20] - patch)[..., 1:-1, 1:-1].abs().max().item()
    encode = nn.Linear(4 * 12 * 12, 5).double()
    encodings = [encode(whole[..., 4:16, x:x + 12].flatten(1)) for x in (8, 9)]
    return shared, shared < 1e-9 and not torch.allclose(*encodings), "max |S of the image, cropped, - S of the crop|"


def full_resolution():
    side = _random(1, 1, 10, 10)
    for _ in range(4):
        side = _up(side)
    return side.shape[-1], side.shape[-1] == stated("sharp-full-resolution"), "10 * 2^4"


def channel_schedule():
    found = [32 // 2 ** (i - 1) for i in (1, 2, 3, 4)]
    return found, found == stated("sharp-schedules"), "k / 2^(i - 1), k = 32"


def speed_ratios():
    text, heads = printed("sharpmask/text"), printed("sharpmask/2")
    slow = heads["DeepMask"]["total time"]
    found = [slow / heads["head C"]["total time"], slow / text["time of SharpMask"]["value"]]
    share = text["time of SharpMask"]["value"] / slow
    gain = text["gain in speed over DeepMask"]["value"] / 100
    fits = all(f > s for f, s in zip(found, stated("sharp-time-arithmetic"))) and agrees(1 - share, gain, 1)
    return found, fits, "1.59 / 0.46, 1.59 / 0.76; the 50% is time saved, 1 - 0.76 / 1.59"


FACTS = {
    "sharp-kernel-size": lambda: _window_cells("kernel", "sharp-kernel-size"),
    "sharp-stride-density": lambda: _window_cells("S", "sharp-stride-density"),
    "sharp-refactor-equivalent": refactored, "sharp-skip-special-case": skip_connection,
    "sharp-params-75-17": network_parameters, "sharp-refine-params": refinement_parameters,
    "sharp-skip-features-shared": skips_are_shared, "sharp-full-resolution": full_resolution,
    "sharp-schedules": channel_schedule, "sharp-time-arithmetic": speed_ratios,
}

"""DeepMask and its rebuilt forms with random weights, run convolutionally over an image, to be timed.

A trunk ends at stride 2^P with features for every position; a mask branch makes 512 numbers of each window,
and 56 x 56 scores of those; a score branch makes one number. Maps are padded: every position has a window.
"""
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

OUTPUT = 56 * 56  # pixels of a mask before it is enlarged
# of ResNet-50, by the number of poolings
STAGES = {4: ("layer1", "layer2", "layer3"), 3: ("layer1", "layer2")}


def vgg_trunk() -> nn.Sequential:
    """VGG-A's eight convolutions, four poolings: 512 channels at stride 16."""
    return torchvision.models.vgg11(init_weights=False).features[:-1]


def resnet_trunk(poolings: int) -> nn.Sequential:
    """ResNet-50's first 40 layers (1024 channels at stride 16), or its first 22 (512 at stride 8)."""
    net = torchvision.models.resnet50()
    stages = [getattr(net, name) for name in STAGES[poolings]]
    return nn.Sequential(net.conv1, net.bn1, nn.ReLU(), net.maxpool, *stages)


def over_windows(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """A layer on every window of kernel x kernel positions, with padding for as many windows as positions."""
    before, after = (kernel - 1) // 2, kernel // 2
    return nn.Sequential(nn.ZeroPad2d((before, after, before, after)), nn.Conv2d(inputs, outputs, kernel))


class MaskNet(nn.Module):
    """Trunk, reduction to F channels, and the mask branch (Sec. 3.4, Table 3.1)."""

    def __init__(self, trunk: nn.Sequential, channels: int, features: int, kernel: int):
        super().__init__()
        self.trunk = trunk
        self.reduce = nn.Sequential(nn.Conv2d(channels, features, 1), nn.ReLU())
        self.encode = over_windows(features, 512, kernel)
        self.mask = nn.Conv2d(512, OUTPUT, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.mask(self.encode(self.reduce(self.trunk(image))))


def deepmask(device) -> MaskNet:
    """DeepMask as it was: W224-P4-D8, 512 features."""
    with torch.device(device):
        return MaskNet(vgg_trunk(), 512, 512, 14).eval()


def rebuilt(device, poolings: int, features: int, kernel: int) -> MaskNet:
    """A row of Table 3.1 on a ResNet trunk."""
    with torch.device(device):
        return MaskNet(resnet_trunk(poolings), {4: 1024, 3: 512}[poolings], features, kernel).eval()


class InterleavedScore(nn.Module):
    """DeepMask's score branch: after its pooling four shifts are needed to score every window (Fig. 3.3a)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.MaxPool2d(2), over_windows(512, 512, 7), nn.ReLU(), nn.Conv2d(512, 1024, 1), nn.ReLU(),
            nn.Conv2d(1024, 1, 1))

    def forward(self, features: Tensor) -> list[Tensor]:
        shifted = [features.roll(shift, (2, 3)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1))]
        return [self.layers(x) for x in shifted]


def score_of_vector() -> nn.Sequential:
    """Head C's score branch: from the 512 numbers that the mask is made of (Fig. 3.3d)."""
    return nn.Sequential(nn.ReLU(), nn.Conv2d(512, 1024, 1), nn.ReLU(), nn.Conv2d(1024, 1, 1))


class Refinement(nn.Module):
    """Four regrouped modules, schedule b, k = 32: skips once an image, masks a window (Fig. 3.7b)."""

    def __init__(self, channels: tuple[int, ...] = (1024, 512, 256, 64)):
        super().__init__()
        self.first = nn.Linear(512, 32 * 10 * 10)
        widths = [32, 16, 8, 4]
        self.skips = nn.ModuleList(self._skip(depth, k) for depth, k in zip(channels, widths))
        self.masks = nn.ModuleList(nn.Conv2d(k, k // 2, 3, padding=1) for k in widths)

    @staticmethod
    def _skip(depth: int, k: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(depth, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, k, 3, padding=1), nn.ReLU(),
            nn.Conv2d(k, k // 2, 3, padding=1))

    def forward(self, maps: list[Tensor], vectors: Tensor, corners: list[tuple[int, int]]) -> Tensor:
        """Masks (R, 2, 160, 160) of windows.

        `maps` of the image are from coarse to fine, `vectors` (R, 512), corners in cells of the coarsest map.
        """
        mask = self.first(vectors).view(-1, 32, 10, 10)
        for i, (skip, conv) in enumerate(zip(self.skips, self.masks)):
            shared, scale = skip(maps[i]), 2**i
            windows = []
            for y, x in corners:
                windows.append(shared[0, :, scale * y:scale * (y + 10), scale * x:scale * (x + 10)])
            joined = F.relu(conv(mask) + torch.stack(windows))
            mask = F.interpolate(joined, scale_factor=2.0, mode="bilinear")
        return mask

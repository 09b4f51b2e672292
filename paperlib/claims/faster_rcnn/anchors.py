"""The anchors of Faster R-CNN's own geometry, which several of its claims count."""
from torch import Tensor

from paperlib.claims import paper_nets
from paperlib.parts.anchors import AnchorConfig, anchors_for

ANCHORS = AnchorConfig(levels=(4,), sizes=((128.0, 256.0, 512.0),))  # Sec. 3.3: 3 sizes, 3 ratios, stride 16
IMAGE = (600, 1000)  # the typical image of Sec. 3.3
PHOTOGRAPH = (600, 800)  # PASCAL's usual 375 x 500, enlarged


def conv5_3(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of VGG's last map of convolution."""
    _, height, width = paper_nets.map_size(paper_nets.vgg16().features[:-1], *size)
    return height, width


def anchors_of(size: tuple[int, int], cfg: AnchorConfig = ANCHORS) -> Tensor:
    """The anchors of an image on VGG's conv5_3, (positions * 9, 4)."""
    return anchors_for(cfg, {4: conv5_3(size)})

"""RPN and Faster R-CNN in the sizes that the course uses, and torchvision's weights in ours."""
from dataclasses import replace

from torch import Tensor

from paperlib.parts.anchors import AnchorConfig
from paperlib.parts.detections import RoIDetectConfig
from paperlib.parts.proposals import ProposalConfig
from paperlib.parts.pyramids import PyramidConfig
from paperlib.parts.roi_training import RoISampleConfig
from paperlib.parts.trunks import TrunkConfig
from paperlib.systems.faster_rcnn import FasterRCNN, FasterRCNNConfig
from paperlib.systems.presets import fast_rcnn as fast
from paperlib.systems.presets.pretrained import fixed_trunk, on_resnet18
from paperlib.systems.presets.retinanet import renamed
from paperlib.systems.rpn import ProposerConfig, RPNConfig

LEVELS = (2, 3, 4, 5, 6)
TENTH = ProposalConfig(pre_nms=600, keep=30)  # of the 6000 and 300 of Faster R-CNN and its code


def rpn_tiny(num_classes: int = 36) -> RPNConfig:
    """For 128 px images on a CPU core: tiny trunk, P2-P6 of 64 channels.

    One anchor scale a level, 8 to 128 px.
    Differs: 128 sampled anchors an image of 4,092, where the papers have 256 of 20,000 or of 200,000.
    """
    return RPNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("tiny"),
        pyramid=PyramidConfig(levels=LEVELS, dim=64, extra="pool"),
        rpn=ProposerConfig(AnchorConfig(levels=LEVELS, size_per_stride=2.0, scales=(1.0,)), samples=128,
                           hidden_std=0.03, train=ProposalConfig(pre_nms=400, keep=200)),
    )


def rpn_scale(num_classes: int = 36) -> RPNConfig:
    """A true scale model for 128 px images on a CPU core: trunk slim at scale 1/2, P2-P6 of strides 2 to 32.

    Differs: anchors of 4 strides (8 in FPN), 8 to 128 px, since half of the objects are under 16 px; 128
             sampled of 16,368.
    """
    anchors = AnchorConfig(levels=LEVELS, size_per_stride=4.0, scales=(1.0,))
    return RPNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("slim", scale=0.5),
        pyramid=PyramidConfig(levels=LEVELS, dim=32, extra="pool"),
        rpn=ProposerConfig(anchors, samples=128, hidden_std=0.03,
                           train=ProposalConfig(pre_nms=200, keep=100)),
    )


def rpn_small(num_classes: int = 20) -> RPNConfig:
    """Faster R-CNN's own geometry for 128 px images: model S's last map, 3 scales and 3 ratios.

    The scales are 24, 48 and 96 px.
    Differs: 2,304 anchors an image where the paper has 20,000, so every count of proposals is a tenth of the
             paper's, and 64 anchors are sampled.
    """
    anchors = AnchorConfig(levels=(3,), size_per_stride=3.0, scales=(1.0, 2.0, 4.0))
    return RPNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("small", frozen_stages=1, frozen_norm=True),
        pyramid=PyramidConfig(levels=(3,), kind="single"),
        rpn=ProposerConfig(anchors, border=0.0, samples=64, box_weight=10.0, locations=2400 / 256,
                           hidden_std=0.03, train=ProposalConfig(pre_nms=1200, keep=200), test=TENTH),
    )


def rpn_vgg16(num_classes: int = 20, weights: str | None = None) -> RPNConfig:
    """Faster R-CNN Sec. 3: on conv5_3, 3x3 to 512 channels, anchors of 128, 256 and 512 px, 3 ratios."""
    anchors = AnchorConfig(levels=(4,), size_per_stride=8.0, scales=(1.0, 2.0, 4.0))
    return RPNConfig(
        num_classes=num_classes,
        trunk=TrunkConfig("vgg16", weights, frozen_stages=2),
        pyramid=PyramidConfig(levels=(4,), kind="single"),
        rpn=ProposerConfig(anchors, dim=512, border=0.0, box_weight=10.0, locations=2400 / 256,
                           test=ProposalConfig(keep=300)),
    )


def rpn_resnet50(num_classes: int = 80, weights: str | None = None) -> RPNConfig:
    """FPN's proposal network (FPN Sec. 5.1); `weights` also fix the norms, the stem and the first stage."""
    return RPNConfig(num_classes, fixed_trunk("resnet50", weights))


def rpn_resnet18(num_classes: int = 80, weights: str | None = None) -> RPNConfig:
    """FPN's proposal network on a ResNet-18, for photographs on a CPU or a small GPU."""
    return on_resnet18(rpn_resnet50(num_classes, weights))


def _on(detector, proposer: RPNConfig, test: ProposalConfig, **more) -> FasterRCNNConfig:
    """A detector's configuration with an RPN on its features."""
    shared = {name: value for name, value in vars(detector).items() if name not in ("trunk", "pyramid")}
    return FasterRCNNConfig(**{**shared, **more}, trunk=proposer.trunk, pyramid=proposer.pyramid,
                            rpn=replace(proposer.rpn, test=test))


def small(num_classes: int = 20) -> FasterRCNNConfig:
    """Model S on one map, trained jointly; 30 proposals at test time where the paper has 300."""
    return _on(fast.small(num_classes), rpn_small(num_classes), TENTH)


def tiny(num_classes: int = 36) -> FasterRCNNConfig:
    """On a pyramid, for 128 px images on a CPU core: RoIs from P2-P5, 100 proposals at test time."""
    detector = fast.tiny(num_classes)
    return _on(detector, rpn_tiny(num_classes), ProposalConfig(pre_nms=400, keep=100),
               roi=replace(detector.roi, levels=(2, 3, 4, 5)), sample=RoISampleConfig(background=(0.0, 0.5)),
               rpn_pyramid=PyramidConfig(levels=LEVELS, dim=64, extra="pool"))


def scale(num_classes: int = 36) -> FasterRCNNConfig:
    """On a pyramid, for 128 px images on a CPU core: trunk slim at scale 1, P2-P6 of strides 4 to 64.

    RoIs come from P2-P5; 100 proposals at test time.
    Differs: anchors of 3.5 strides, 14 to 224 px; 80 px is the canonical RoI, 5 cells wide on P4. Cells are
             twice as wide as in `rpn_scale`, so that twice as many images are seen in a given time.
    """
    detector, proposer = fast.scale(num_classes), rpn_scale(num_classes)
    anchors = replace(proposer.rpn.anchors, size_per_stride=3.5)
    trunk = replace(proposer.trunk, scale=1.0)
    proposer = replace(proposer, trunk=trunk, rpn=replace(proposer.rpn, anchors=anchors))
    return _on(detector, proposer, ProposalConfig(pre_nms=400, keep=100),
               roi=replace(detector.roi, levels=(2, 3, 4, 5), canonical_size=80.0),
               sample=RoISampleConfig(background=(0.0, 0.5)), rpn_pyramid=proposer.pyramid)


def vgg16(num_classes: int = 20, weights: str | None = None) -> FasterRCNNConfig:
    """VGG16 as published, trained jointly (Faster R-CNN Sec. 3.3, 4).

    2000 proposals in training, 300 at test time.
    """
    proposer = rpn_vgg16(num_classes, weights)
    return _on(fast.vgg16(num_classes, weights), proposer, proposer.rpn.test)


def resnet50(num_classes: int = 80, weights: str | None = None) -> FasterRCNNConfig:
    """ResNet-50 with a pyramid (FPN Sec. 5.2); `weights` also fix the norms, the stem and the first stage."""
    detector = fast.resnet50(num_classes, weights)
    return _on(detector, rpn_resnet50(num_classes, weights), ProposalConfig(keep=1000),
               roi=replace(detector.roi, levels=(2, 3, 4, 5)),
               sample=RoISampleConfig(512, background=(0.0, 0.5)))


def resnet18(num_classes: int = 80, weights: str | None = None) -> FasterRCNNConfig:
    """As `resnet50` on a ResNet-18, for photographs on a CPU or a small GPU."""
    return on_resnet18(resnet50(num_classes, weights))


def torchvision_resnet50(num_classes: int = 90, norm_eps: float = 1e-5) -> FasterRCNNConfig:
    """The geometry of torchvision's `fasterrcnn_resnet50_fpn`; norm_eps 0 for its published COCO weights.

    Anchors have whole-pixel corners, are centred on the corners of their cells, and their strides are rounded
    to the padded image.
    """
    cfg, count = resnet50(num_classes), ProposalConfig(pre_nms=1000, keep=1000)
    anchors = replace(cfg.rpn.anchors, sizes=((32,), (64,), (128,), (256,), (512,)), rounded=True, offset=0.0,
                      fit_image=True)
    return replace(cfg, trunk=TrunkConfig("resnet50", frozen_norm=True, norm_eps=norm_eps),
                   rpn=replace(cfg.rpn, anchors=anchors, test=count),
                   detect=RoIDetectConfig(score=0.05, nms=0.5, keep=100, min_size=0.01))


RENAMED = (
    (r"backbone\.body\.", "trunk.body."),
    (r"backbone\.fpn\.inner_blocks\.(\d)(?:\.0)?\.", lambda m: f"pyramid.lateral.{int(m[1]) + 2}."),
    (r"backbone\.fpn\.layer_blocks\.(\d)(?:\.0)?\.", lambda m: f"pyramid.smooth.{int(m[1]) + 2}."),
    (r"rpn\.head\.conv(?:\.0\.0)?\.", "rpn.heads.0.conv."),
    (r"rpn\.head\.cls_logits\.", "rpn.heads.0.cls."),
    (r"rpn\.head\.bbox_pred\.", "rpn.heads.0.box."),
    (r"roi_heads\.box_head\.", "head."),
    (r"roi_heads\.box_predictor\.cls_score\.", "head.cls."),
    (r"roi_heads\.box_predictor\.bbox_pred\.", "head.box."),
)


def load_torchvision(model: FasterRCNN, state: dict[str, Tensor]) -> FasterRCNN:
    """Fill our FasterRCNN(torchvision_resnet50(K)) with torchvision's weights, and return it.

    torchvision gives background a box of its own that nothing uses, so that goes.
    With its 91 columns, K is 90.
    Errors: KeyError naming a key that is not of that model.
    """
    ours = from_torchvision(state)
    model.load_state_dict(ours)
    return model


def from_torchvision(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's `fasterrcnn_resnet50_fpn` state dict under our names, without a box of background.

    Errors: KeyError naming a key that is not of that model.
    """
    ours = renamed(state, RENAMED, "fasterrcnn_resnet50_fpn")
    return ours | {key: value[4:] for key, value in ours.items() if key.startswith("head.box.")}

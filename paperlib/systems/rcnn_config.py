"""The configuration of R-CNN: the network, how it is fine-tuned, its SVMs and its ridge regression.

Legend: K classes.
"""
from dataclasses import dataclass, field

from paperlib.parts.crops.warp import CropConfig
from paperlib.parts.crops.windows import WindowSampleConfig
from paperlib.parts.detections import RoIDetectConfig
from paperlib.parts.proposals import ProposalSource
from paperlib.parts.trunks import TrunkConfig
from paperlib.systems.contract import SystemConfig

LAYERS = ("pool5", "fc6", "fc7")
STRATEGIES = ("full", "fg", "full+fg")  # of features of regions that are no rectangles (Sec. 5)


@dataclass(frozen=True)
class SVMStageConfig:
    overlap: float = 0.3  # IoU with a class's objects below which a region is a negative; 0: none (Sec. 2.3)
    loss: str = "hinge"  # of one error: "hinge", as the published code, or "squared_hinge"
    passes: int = 1  # over the images, for hard negatives (Sec. 2.3)
    images: float = 1.0  # share of the training images that are mined (Sec. 4.3: 5000 of val1)
    c: float = 1e-3  # weight of the errors against the norm (the published code)
    positive_weight: float = 2.0  # of an error on an object (the published code)
    bias: float = 10.0  # value of the constant feature (the published code)
    norm: float = 20.0  # mean length that features are scaled to (the published code)
    add: float = -1.0  # negatives with a higher margin are hard, and join the others (the published code)
    evict: float = -1.2  # those with a lower one leave after a training (the published code)
    tolerance: float = 0.1  # at which liblinear stops (its default for this loss, as the published code)
    retrain: int = 2000  # new negatives of a class between two trainings (the published code)


@dataclass(frozen=True)
class RidgeStageConfig:
    # how often a detection is moved: 0 never, 1 as in Table 2 "BB", 2 scored and moved again (App. C)
    times: int = 0
    weight: float = 1000.0  # lambda (App. C), for features of `norm` and all pairs of a class
    overlap: float = 0.6  # IoU with an object above which a region learns to move to it (App. C)
    whiten: bool = True  # targets of zero mean and unit covariance (the published code)
    norm: float = 20.0  # mean length that features are scaled to (the published code)


@dataclass(frozen=True)
class AddedBoxesConfig:
    """MiniNet pictures of each class that join the training scenes, with their boxes alone (Sec. 4.3)."""

    fine_tuning: int = 0  # for the network ("val1+train1k": up to 1000 boxes a class)
    svm: int = 0  # as positives of the SVMs; the box regression has none (Sec. 4.3)


@dataclass(frozen=True)
class SegmentationConfig:
    # which pixels of a region become features: "full", its window | "fg", the region alone on the mean
    # colour | "full+fg", both in a row (Sec. 5) | "": no segmentation, but detection
    strategy: str = ""
    images: float = 1.0  # share of the training images that is learnt from, drawn by the seed
    scales: tuple[float, ...] = (20.0, 50.0, 100.0, 200.0, 400.0, 800.0)  # k of the graph segmentations
    sigma: float = 0.4  # px of their smoothing
    least: int = 30  # px of the smallest region
    most: int = 150  # regions an image (Sec. 5), the largest
    c: float = 0.01  # weight of the squared errors against the norm of a regressor
    epsilon: float = 0.1  # overlap that a regressor may be off at no cost
    norm: float = 20.0  # mean length that features are scaled to
    threshold: float = 0.3  # predicted overlap from which a region is pasted

    def __post_init__(self):
        if self.strategy not in ("", *STRATEGIES):
            raise ValueError(f"strategy {self.strategy!r}: expected one of {', '.join(STRATEGIES)}, or ''")


@dataclass(frozen=True)
class RCNNConfig(SystemConfig):
    num_classes: int = 20  # K, without background (20 on PASCAL VOC)
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    level: int = 4  # of the trunk's maps, the one that is pooled to pool5
    side: int = 6  # cells along pool5 (Sec. 3.1: 6 x 6 x 256)
    widths: tuple[int, ...] = (4096, 4096)  # outputs of fc6 and fc7 (Sec. 3.2)
    # share of fc6's and fc7's outputs that fine-tuning zeroes (.5 in the paper's network)
    dropout: float = 0.0
    cls_std: float = 0.01  # of the initial weights of the class layer
    crop: CropConfig = field(default_factory=CropConfig)
    sample: WindowSampleConfig = field(default_factory=WindowSampleConfig)
    layer: str = "fc7"  # what the SVMs read: "pool5" | "fc6" | "fc7" (Table 2)
    scorer: str = "svm"  # "svm" | "softmax": the fine-tuned network's own classes (App. B)
    added: AddedBoxesConfig = field(default_factory=AddedBoxesConfig)
    svm: SVMStageConfig = field(default_factory=SVMStageConfig)
    ridge: RidgeStageConfig = field(default_factory=RidgeStageConfig)
    segment: SegmentationConfig = field(default_factory=SegmentationConfig)
    detect: RoIDetectConfig = field(default_factory=RoIDetectConfig)
    proposals: ProposalSource = field(default_factory=ProposalSource)

    in_stages = True

    def __post_init__(self):
        for name, value, known in (("layer", self.layer, LAYERS), ("scorer", self.scorer, ("svm", "softmax")),
                                   ("svm.loss", self.svm.loss, ("hinge", "squared_hinge"))):
            if value not in known:
                raise ValueError(f"{name} {value!r}: expected one of {', '.join(known)}")

    def needs_proposals(self, training: bool = False) -> bool:
        """For detection always: the network makes none. Segmentation has regions of its own."""
        return not self.segment.strategy

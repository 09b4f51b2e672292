"""A trained detector as graphs for other programs, by ONNX or torch.export: raw outputs, nothing suppressed.

A graph is made for one image of one size, at which anchors are constants. What remains for the other program:
a threshold, suppression of doubles, clipping to the image.
Legend: images (1, 3, H, W) are RGB in [0, 1]; A anchors, R RoIs, K classes; boxes are xyxy px.
"""
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import ops

from paperlib.parts import boxes, roi_training
from paperlib.parts.convs import stride_of
from paperlib.parts.roi_pooling import level_of
from paperlib.systems.faster_rcnn import FasterRCNN
from paperlib.systems.retinanet import RetinaNet

KINDS = (".onnx", ".pt2")


class DenseGraph(nn.Module):
    """A RetinaNet: images -> scores (1, A, K) in 0..1, boxes (1, A, 4)."""

    outputs = ("scores", "boxes")

    def __init__(self, system: RetinaNet, size: tuple[int, int]):
        super().__init__()
        self.system = system
        self.register_buffer("anchors", system.predict(torch.zeros(1, 3, *size))[2])

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        logits, deltas, _ = self.system.predict(images)
        return logits.sigmoid(), boxes.decode(self.anchors, deltas[0])[None]


class ProposalGraph(nn.Module):
    """A Faster R-CNN's first stage: images -> objectness (1, A), proposals (1, A, 4), maps of its pyramid."""

    def __init__(self, system: FasterRCNN, size: tuple[int, int]):
        super().__init__()
        self.system = system
        maps = system.features(torch.zeros(1, 3, *size))
        self.levels = [level for level in maps if level in (system.cfg.roi.levels or maps)]
        anchors = system.predict_levels(torch.zeros(1, 3, *size), maps)[2]
        self.register_buffer("anchors", torch.cat(anchors))
        self.outputs = ("objectness", "proposals", *(f"map{level}" for level in self.levels))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.system.features(images)
        logits, deltas, _ = self.system.predict_levels(images, maps)
        placed = boxes.decode(self.anchors, torch.cat(deltas, 1)[0])
        return torch.cat(logits, 1).sigmoid(), placed[None], *(maps[level] for level in self.levels)


class BoxGraph(nn.Module):
    """Its second stage: rois (R, 4), the maps -> scores (R, K + 1), background first, boxes (R, K, 4).

    Every RoI is read from every map, and the one of its level is kept: the graph has no branches.
    """

    outputs = ("scores", "boxes")

    def __init__(self, system: FasterRCNN, levels: list[int]):
        super().__init__()
        self.head, self.cfg, self.levels = system.head, system.cfg, levels

    def forward(self, rois: Tensor, *maps: Tensor) -> tuple[Tensor, ...]:
        of_image = nn.functional.pad(rois, (1, 0))  # (R, 5)
        roi = self.cfg.roi
        chosen = level_of(rois, self.levels, roi.canonical_level, roi.canonical_size)[:, None, None, None]
        pooled = 0.0
        for level, x in zip(self.levels, maps):
            pooled = pooled + torch.where(chosen == level, self._read(x, of_image, level), 0.0)
        logits, deltas = self.head(pooled)
        return logits.softmax(1), roi_training.decode(rois[:, None], deltas, self.cfg.deltas)

    def _read(self, x: Tensor, rois: Tensor, level: int) -> Tensor:
        roi, scale = self.cfg.roi, 1 / stride_of(level, self.cfg.trunk.scale)
        if roi.kind == "max":
            return ops.roi_pool(x, rois - rois.new_tensor((0, 0, 0, 1, 1)), roi.side, scale)
        return ops.roi_align(x, rois, roi.side, scale, roi.samples, aligned=False)


def check_ending(path: Path) -> None:
    """Errors: ValueError for a name that ends in none of KINDS."""
    if path.suffix not in KINDS:
        raise ValueError(f"{path}: expected a file that ends in {' or '.join(KINDS)}")


@torch.no_grad()
def export(system: nn.Module, path: Path, size: tuple[int, int]) -> list[Path]:
    """Write a system's graph for one image of `size` (H, W) px to a .onnx or .pt2 file.

    A Faster R-CNN has two, `<name>.proposals` for its first stage and `<name>.boxes` for as many RoIs
    as it tests.
    Errors: ValueError for another system, another kind of file, a size that is no multiple of 32, and where
            what ONNX needs is not installed.
    """
    check_ending(path)
    if min(size) < 32 or any(side % 32 for side in size):
        raise ValueError(f"export: size {size[0]} x {size[1]} px; expected multiples of 32")
    system, images = system.float().eval(), torch.zeros(1, 3, *size)
    if isinstance(system, RetinaNet):
        return [_write(DenseGraph(system, size), (images,), ["images"], path)]
    if not isinstance(system, FasterRCNN) or system.separate or system.cfg.needs_proposals():
        raise ValueError(f"export: found a {type(system).__name__}; expected a RetinaNet, "
                         "or a Faster R-CNN whose stages share their features")
    if path.suffix == ".onnx" and system.cfg.roi.kind == "max":
        raise ValueError(f"{path}: torch's exporter knows no RoI pooling (roi.kind 'max') in ONNX; "
                         "expected .pt2, or weights with roi.kind 'align'")
    first = ProposalGraph(system, size)
    second, maps = BoxGraph(system, first.levels), first(images)[2:]
    rois = torch.tensor([0.0, 0.0, size[1], size[0]]).repeat(system.cfg.rpn.test.keep, 1)
    names = ["rois", *first.outputs[2:]]
    return [_write(first, (images,), ["images"], path.with_suffix(f".proposals{path.suffix}")),
            _write(second, (rois, *maps), names, path.with_suffix(f".boxes{path.suffix}"))]


def _write(graph: nn.Module, example: tuple[Tensor, ...], names: list[str], path: Path) -> Path:
    graph.eval()
    if path.suffix == ".pt2":
        torch.export.save(torch.export.export(graph, example), path)
        return path
    try:
        import onnxscript  # noqa: F401 - what torch's exporter needs

        torch.onnx.export(graph, example, path, dynamo=True, external_data=False, verbose=False,
                          input_names=names, output_names=list(graph.outputs))
    except ImportError as error:
        raise ValueError(f"export to ONNX needs {error.name}: "
                         "`pip install onnx onnxruntime onnxscript`") from None
    return path

"""Exported graphs give what the system gives."""
import numpy as np
import pytest
import torch

from paperlib.__main__ import main
from paperlib.config import override
from paperlib.parts import boxes, roi_training
from paperlib.systems.exported import BoxGraph, ProposalGraph, export
from paperlib.systems.presets import retinanet
from paperlib.systems.registry import PRESETS, SYSTEMS
from paperlib.training.trained import Trained
from paperlib.training.weights import save_weights


@pytest.fixture
def system():
    torch.manual_seed(0)
    made = SYSTEMS["retinanet"](override(retinanet.tiny(3), {"pyramid.dim": 16}))
    made.trained = Trained(("a", "b", "c"), (64,))
    return made.eval()


def expected(system, images):
    with torch.no_grad():
        logits, deltas, anchors = system.predict(images)
    return logits.sigmoid(), torch.stack([boxes.decode(anchors, moves) for moves in deltas])


def test_torch_export_is_the_same(system, tmp_path):
    images = torch.rand(1, 3, 64, 96)
    path, = export(system, tmp_path / "out.pt2", (64, 96))
    again = torch.export.load(path).module()(images)
    for ours, theirs in zip(expected(system, images), again):
        torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-4)


def test_onnx_is_the_same_in_another_program(system, tmp_path, capsys):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    save_weights(tmp_path / "w.safetensors", "retinanet", system)
    assert main(["export", str(tmp_path / "w.safetensors"), str(tmp_path / "out.onnx"), "--size", "64"]) == 0
    assert "out.onnx: images (1, 3, 64, 64)" in capsys.readouterr().out
    images = torch.rand(1, 3, 64, 64)
    session = runtime.InferenceSession(str(tmp_path / "out.onnx"), providers=["CPUExecutionProvider"])
    for ours, theirs in zip(expected(system, images), session.run(["scores", "boxes"], {"images": images.numpy()})):
        torch.testing.assert_close(torch.from_numpy(theirs), ours, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("preset", "ending"), [("tiny", "pt2"), ("small", "pt2"), ("tiny", "onnx")])
def test_both_stages_of_a_faster_rcnn(tmp_path, preset, ending):
    if ending == "onnx":
        pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    cfg = override(PRESETS["faster_rcnn"][preset](), {"num_classes": 3, "rpn.test.keep": 20})
    system, images = SYSTEMS["faster_rcnn"](cfg).eval(), torch.rand(1, 3, 64, 96)
    runs = [runner(path, ending) for path in export(system, tmp_path / f"out.{ending}", (64, 96))]
    with torch.no_grad():
        maps = system.features(images)
        logits, deltas, anchors = system.predict_levels(images, maps)
        rois = torch.rand(20, 4) * 40
        rois[:, 2:] += rois[:, :2] + 4
        scores, moves, _ = system.predict(images, [rois])
    objectness, proposals, *pyramid = runs[0](images)
    torch.testing.assert_close(objectness, torch.cat(logits, 1).sigmoid(), rtol=1e-3, atol=1e-3)
    wanted = boxes.decode(torch.cat(anchors), torch.cat(deltas, 1)[0])
    torch.testing.assert_close(proposals[0], wanted, rtol=1e-3, atol=1e-2)
    again, placed = runs[1](rois, *pyramid)
    torch.testing.assert_close(again, scores.softmax(1), rtol=1e-3, atol=1e-3)
    wanted = roi_training.decode(rois[:, None], moves, cfg.deltas)
    torch.testing.assert_close(placed, wanted, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("kind", ["align", "max"])
def test_the_second_stage_knows_the_scale_of_the_trunk(kind):
    torch.manual_seed(0)
    cfg = override(PRESETS["faster_rcnn"]["scale"](3), {"roi.kind": kind, "trunk.scale": 0.5})
    system, images = SYSTEMS["faster_rcnn"](cfg).eval(), torch.rand(1, 3, 64, 96)
    rois = torch.rand(20, 4) * 40
    rois[:, 2:] += rois[:, :2] + 4
    torch.nn.init.normal_(system.head.cls.weight)  # small ones would tell no window from another
    levels = ProposalGraph(system, (64, 96)).levels
    with torch.no_grad():
        maps = system.features(images)
        scores, _ = BoxGraph(system, levels)(rois, *[maps[level] for level in levels])
        torch.testing.assert_close(scores, system.predict(images, [rois])[0].softmax(1), rtol=1e-4, atol=1e-5)


def runner(path, ending):
    """A function of tensors that runs an exported file."""
    if ending == "pt2":
        return torch.export.load(path).module()
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    return lambda *inputs: [torch.from_numpy(x) for x in session.run(None, dict(zip(names, map(np.asarray, inputs))))]


@pytest.mark.parametrize(("name", "size", "words"), [
    ("out.txt", (64, 64), r"ends in \.onnx or \.pt2"), ("out.pt2", (60, 64), "multiples of 32")])
def test_clear_errors(system, tmp_path, name, size, words):
    with pytest.raises(ValueError, match=words):
        export(system, tmp_path / name, size)
    pooled = SYSTEMS["faster_rcnn"](PRESETS["faster_rcnn"]["small"](3))
    with pytest.raises(ValueError, match="no RoI pooling"):
        export(pooled, tmp_path / "out.onnx", (64, 64))
    with pytest.raises(ValueError, match="found a Linear; expected a RetinaNet, or"):
        export(torch.nn.Linear(1, 1), tmp_path / "out.pt2", (64, 64))

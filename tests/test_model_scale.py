"""Cells and anchors to an object: counted by hand, equal to the photographs' record, and inside the bounds."""
import json
import math
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch

from paperlib.config import override
from paperlib.data import named_sets
from paperlib.data.read_coco import read_coco
from paperlib.doctor.anchor_coverage import Coverage
from paperlib.doctor.model_scale import examine_scale, least, model_scale, on_photographs, table
from paperlib.doctor.training_size import even_picks, laid_anchors, resized_objects
from paperlib.parts.anchors import AnchorConfig
from paperlib.systems.registry import PRESETS
from paperlib.world import build

SIZES = {"retinanet": (600, 1000), "rpn": (800, 1333), "faster_rcnn": (800, 1333), "fast_rcnn": (800, 1333)}
ONE_SHAPE = {"anchors.levels": [3, 4], "anchors.scales": [1.0], "anchors.ratios": [1.0]}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "minicoco"
    build.build("minicoco", folder, jobs=1, counts={"val": 100})
    return named_sets.load(folder, "val")


@pytest.fixture
def squares(tmp_path):
    """One image of 64 px with objects of 32 px (on an anchor), 16 px and 64 px, and a crowd."""
    notes = []
    for i, (x, y, side) in enumerate([(4, 4, 32), (0, 0, 16), (0, 0, 64), (8, 8, 40)], 1):
        notes.append({"id": i, "image_id": 1, "category_id": 1, "bbox": [x, y, side, side], "area": side * side,
                      "iscrowd": int(i == 4), "segmentation": [[x, y, x + side, y, x + side, y + side]]})
    image = {"id": 1, "file_name": "1.png", "height": 64, "width": 64}
    (tmp_path / "x.json").write_text(json.dumps({"images": [image], "annotations": notes,
                                                 "categories": [{"id": 1, "name": "block"}]}))
    return read_coco(tmp_path / "x.json", report=None)


def test_cells_and_anchors_are_as_counted_by_hand(squares):
    cfg = override(PRESETS["retinanet"]["tiny"](1), {**ONE_SHAPE, "anchors.size_per_stride": 4.0})
    measured = model_scale(squares, cfg)
    # anchors of 32 px every 8 px, of 64 px every 16 px; best of 16 px: (16/32)^2, on stride 8
    assert measured.cells == 32 / 8 and (measured.objects, measured.images) == (3, 1)
    assert measured.large_fit == 0.0  # 64 px at (0, 0): the nearest anchor is 8 px off in both directions
    # of 32 px at (4, 4), centred on a cell: itself and its four neighbours at 8 px (.6; diagonal .39);
    # of 64 px: four anchors of 64 px 8 px off (.62)
    assert measured.positives == pytest.approx((5 + 0 + 4) / 3)
    assert math.isnan(measured.roi_cells) and math.isnan(measured.canonical_cells)


def test_half_the_scale_is_twice_the_size(squares):
    """A slim model at scale 1/2 sees an image as the same model at scale 1 sees one of twice the side."""
    coarse = PRESETS["faster_rcnn"]["scale"](1)
    fine = override(coarse, {"trunk.scale": 0.5, "roi.canonical_size": coarse.roi.canonical_size / 2})
    small, large = asdict(model_scale(squares, fine)), asdict(model_scale(squares, coarse, size=128))
    assert small == pytest.approx(large)
    half = model_scale(squares, override(fine, {"trunk.scale": 1.0}))
    assert half.roi_cells == small["roi_cells"] / 2


def test_rois_are_counted_on_the_map_that_they_are_read_from(squares):
    cfg = override(PRESETS["faster_rcnn"]["scale"](1), {"trunk.scale": 0.5, "roi.canonical_size": 40.0})
    # 40 px from P4 of stride 8; 32 px from P3 (8 cells), 16 px from P2 (8), 64 px from P4 (8)
    measured = model_scale(squares, cfg)
    assert (measured.roi_cells, measured.canonical_cells) == (8, 5)
    single = override(cfg, {"roi.levels": [4], "roi.canonical_size": 224.0})
    assert model_scale(squares, single).roi_cells == 32 / 8
    assert math.isnan(model_scale(squares, single).canonical_cells)


@pytest.mark.parametrize("system", list(SIZES))
def test_the_scale_models_are_inside_the_bounds_and_the_old_ones_are_not(drawn, system):
    fine = examine_scale(model_scale(drawn, PRESETS[system]["scale"](36)), system)
    assert [finding.level for finding in fine] == ["ok"] and "cells wide" in fine[0].text
    old = examine_scale(model_scale(drawn, PRESETS[system]["tiny"](36)), system)
    assert {finding.level for finding in old} == {"look"} and all(finding.advice for finding in old)
    assert examine_scale(on_photographs()[system], system)[0].level == "ok" and least(system)
    assert examine_scale(on_photographs()[system], "rcnn") == []


def test_the_issue_of_coarse_grids_is_seen(drawn):
    """The numbers on all of val are 1.5 cells, 13% and 2.6; here on its first hundred scenes."""
    coarse = override(PRESETS["retinanet"]["tiny"](36), {"anchors.size_per_stride": 1.125})
    measured = model_scale(drawn, coarse)
    assert 1.4 < measured.cells < 1.7 and measured.large_fit < 0.2 and 2.3 < measured.positives < 2.9


@pytest.mark.parametrize("system", list(SIZES))
def test_the_photographs_record_is_what_is_measured(shared, system):
    photographs = named_sets.load(shared / "data/coco128")
    measured = model_scale(photographs, PRESETS[system]["resnet50"](), SIZES[system])
    assert asdict(measured) == pytest.approx(asdict(on_photographs()[system]), rel=1e-3, nan_ok=True)


def test_the_table_has_a_line_a_model(squares):
    lines = table({"slim": model_scale(squares, PRESETS["rpn"]["scale"](1))}).splitlines()
    assert len(lines) == 2 and lines[1].split()[0] == "slim" and lines[1].split()[-2:] == [".", "."]


def test_anchors_end_at_the_edge_of_the_image_and_not_of_its_padding():
    cfg = AnchorConfig(levels=(3,), size_per_stride=1.0, scales=(1.0,), ratios=(1.0,))  # one cell each
    anchors, strides = laid_anchors(cfg, (40, 24), border=0.0)
    assert len(anchors) == len(strides) == 5 * 3 and anchors.amax(0).tolist() == [16, 32, 24, 40]
    assert len(laid_anchors(cfg, (40, 24))[0]) == 8 * 4  # without a border all of the 64 x 32 px


def test_objects_are_those_that_count_and_an_image_keeps_its_edges():
    whole = torch.tensor([[0.0, 0, 500, 333]])
    target = {"boxes": whole.repeat(3, 1), "labels": torch.tensor([1, 2, 3]),
              "crowd": torch.tensor([False, True, False]), "difficult": torch.tensor([False, False, True])}
    data = SimpleNamespace(target=lambda i: target, images=[{"height": 333, "width": 500}])
    boxes, labels = resized_objects(data, 0, 128)
    assert labels.tolist() == [1]
    assert boxes[0].tolist() == pytest.approx([0, 0, 128, 85])  # 85.2 px, in whole ones


def test_of_a_larger_set_no_more_than_the_limit_are_picked():
    assert list(even_picks(range(15), 10)) == list(range(0, 15, 2))
    assert list(even_picks(range(10), 10)) == list(range(10))


def test_an_overlap_that_is_just_reached_counts():
    one = torch.ones(2)
    cover = Coverage(torch.tensor([0.5, 0.25]), one, one, one.long(), 1.0, (1.0, 1.0), 1)
    assert cover.share(0.5) == 0.5 and cover.share(0.25) == 1


def test_sizes_are_sorted_by_whole_octaves():
    sides, one = torch.tensor([16.0, 24, 31, 32, 100]), torch.ones(5)
    cover = Coverage(one, sides, one, one.long(), 1.0, (1.0, 1.0), 1)
    found = {name: sides[chosen].tolist() for name, chosen in cover.size_bins().items()}
    assert found == {"16-32": [16, 24, 31], "32-64": [32], "64-128": [100]}

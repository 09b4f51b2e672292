"""Statistics of detection sets: hand-counted on a set of four images, and the same code on both formats."""
from pathlib import Path

import numpy as np
import pytest

from paperlib.data import statistics
from paperlib.data.detection_set import DetectionSet
from paperlib.data.read_coco import read_coco
from paperlib.data.read_voc import read_voc


def annotation(image_id, category_id, side, crowd=0):
    return {"image_id": image_id, "category_id": category_id, "bbox": [0, 0, side, side], "area": side * side,
            "iscrowd": crowd}


@pytest.fixture
def tiny() -> DetectionSet:
    """Image 1: two cats and a dog; image 2: one cat; image 3: a crowd of dogs and a cat; image 4: nothing."""
    anns = {1: [annotation(1, 10, 5), annotation(1, 10, 20), annotation(1, 20, 50)], 2: [annotation(2, 10, 10)],
            3: [annotation(3, 20, 80, 1), annotation(3, 10, 40)], 4: []}
    kinds = [{"id": 10, "name": "cat", "supercategory": "animal"}, {"id": 20, "name": "dog"}, {"id": 30, "name": "cow"}]
    images = [{"id": k, "file_name": f"{k}.jpg", "height": 100, "width": 100} for k in anns]
    ranges = {"all": (0, 1e10), "small": (0, 144), "medium": (144, 1296), "large": (1296, 1e10)}
    return DetectionSet("tiny", Path("."), kinds, images, anns, "0" * 12, ranges)


def test_counts_by_hand(tiny):
    table = statistics.per_category(tiny)
    assert list(table.index) == ["cat", "dog", "cow"]
    assert table["instances"].tolist() == [4, 2, 0] and table["images"].tolist() == [3, 2, 0]
    assert table["supercategory"].tolist() == ["animal", "", ""]
    images = statistics.per_image(tiny)
    assert images["categories"].tolist() == [2, 1, 2, 0] and images["instances"].tolist() == [3, 1, 2, 0]
    assert statistics.size_shares(tiny).tolist() == [2 / 5, 1 / 5, 2 / 5]
    assert statistics.instances(tiny)["relative"].tolist() == [0.05, 0.2, 0.5, 0.1, 0.8, 0.4]


def test_co_occurrence_by_hand(tiny):
    table = statistics.co_occurrence(tiny)
    assert table.loc["cat", "dog"] == 2 / 3 and table.loc["dog", "cat"] == 1 and table.loc["cat", "cow"] == 0
    assert table.loc["cow"].isna().all()


def test_summary_by_hand(tiny):
    row = statistics.summary([tiny]).loc["tiny"]
    assert (row["images"], row["categories"], row["instances"], row["instances per category"]) == (4, 3, 6, 2)
    assert (row["instances per image"], row["categories per image"]) == (1.5, 1.25)
    assert (row["one category %"], row["empty %"], row["small %"]) == (25, 25, 40)
    assert np.isclose(row["crowd %"], 100 / 6)


def test_five_panels_show_the_numbers(tiny):
    figure = statistics.fig_2_5([tiny, tiny])
    bars, categories, counts, _, sizes = figure.axes
    assert [bar.get_height() for bar in bars.patches[:3]] == [4, 2, 0]
    assert categories.lines[0].get_ydata()[:3].tolist() == [25, 25, 50]
    assert counts.lines[0].get_ydata()[:4].tolist() == [25, 25, 25, 25]
    assert np.isclose(sizes.lines[0].get_ydata().sum(), 100)
    assert "tiny (1.5)" in [text.get_text() for text in counts.get_legend().get_texts()]


def test_empty_set_does_not_crash(tiny):
    empty = tiny.subset([3])
    assert statistics.per_category(empty)["instances"].sum() == 0
    assert statistics.summary([empty]).loc[empty.name, "instances per image"] == 0
    statistics.fig_2_5([empty])


def test_real_sets_of_both_formats(shared):
    sets = [read_coco(shared / "data/coco128/instances.json"), read_voc(shared / "data/bccd", "test")]
    table = statistics.summary(sets)
    assert table["instances"].tolist()[0] == 939 - len(sets[0].skipped) and table["images"].tolist()[0] == 128
    assert (table["instances per image"] > 1).all()
    statistics.fig_2_5(sets)

"""Splits that are lists of images, over one or several annotation files."""
import json
import shutil

import pytest

from paperlib.data.named_sets import load


@pytest.fixture
def folder(scenes, tmp_path):
    """Images 1 and 2 in train2014, 3 and 4 in val2014, as COCO 2014 has them."""
    whole, root = json.loads((scenes / "instances.json").read_text()), tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    for split, ids in (("train2014", (1, 2)), ("val2014", (3, 4))):
        (root / split).mkdir()
        part = whole | {"images": [i for i in whole["images"] if i["id"] in ids],
                        "annotations": [a for a in whole["annotations"] if a["image_id"] in ids]}
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(part))
        for i in ids:
            shutil.copy(scenes / "images" / f"{i}.png", root / split)
    return root


def test_a_list_may_mix_the_splits_and_name_ids_or_files(folder):
    (folder / "annotations" / "minival.txt").write_text("3\n")
    (folder / "annotations" / "trainval35k.txt").write_text("2.png\n1\n4\n")
    small, large = load(folder, "minival"), load(folder, "trainval35k")
    assert [i["id"] for i in small.images] == [3] and [i["id"] for i in large.images] == [2, 1, 4]
    assert large.name == "coco/trainval35k" and large.version != small.version
    for i, x in enumerate((10, 5, 20)):
        assert large.target(i)["boxes"].tolist() == [[x, 10, x + 24, 40]]
        assert large.image(i)[0, 20, x + 5] > 200                       # the box is where the file says
    assert len(load(folder, "trainval35k", limit=2)) == 2 and len(load(folder, "val")) == 2


@pytest.mark.parametrize(("text", "words"), [
    ("1\n9", "line '9': found neither the id nor the file name"), ("1\n2\n1", "line '1': found an image that stands")])
def test_a_wrong_list_is_refused(folder, text, words):
    (folder / "annotations" / "mine.txt").write_text(text)
    with pytest.raises(ValueError, match=words):
        load(folder, "mine")

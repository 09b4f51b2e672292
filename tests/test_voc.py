"""VOC folders: coordinates, flags, masks, and each kind of broken folder."""
import numpy as np
import pytest
from PIL import Image

from paperlib.data.read_voc import CLASSES, read_voc

OBJECT = ("<object><name>{name}</name><pose>Left</pose><truncated>{truncated}</truncated><difficult>{difficult}"
          "</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>")


def thing(name="dog", box=(3, 2, 6, 7), truncated=0, difficult=0):
    x1, y1, x2, y2 = box
    return OBJECT.format(name=name, truncated=truncated, difficult=difficult, x1=x1, y1=y1, x2=x2, y2=y2)


def write(folder, names=("a", "b"), things=None, size=(20, 10), listed=None):
    """A VOC folder of images of 20 x 10 px; `things` go into image a, one dog into every other."""
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((10, 20, 3), 50, np.uint8)).save(folder / "JPEGImages" / f"{name}.jpg")
        inside = things if things is not None and name == "a" else [thing()]
        (folder / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>{size[0]}</width><height>{size[1]}</height>"
            f"</size>{''.join(inside)}</annotation>")
    (folder / "ImageSets/Main/train.txt").write_text("\n".join(listed or names) + "\n")
    return folder


def test_boxes_cover_whole_pixels_counted_from_one(tmp_path):
    write(tmp_path, things=[thing(box=(1, 1, 20, 10), difficult=1), thing("cat", truncated=1)])
    data = read_voc(tmp_path, "train")
    target = data.target(0)
    assert target["boxes"].tolist() == [[0, 0, 20, 10], [2, 1, 6, 7]] and target["area"].tolist() == [200, 24]
    assert target["difficult"].tolist() == [True, False] and target["crowd"].tolist() == [False, False]
    assert data.classes == list(CLASSES) and target["labels"].tolist() == [12, 8]
    assert data.annotations[1][1]["truncated"] == 1 and data.annotations[1][1]["pose"] == "Left"
    assert data.name == f"{tmp_path.name}/train" and data.image(1).shape == (3, 10, 20) and not data.skipped


def test_an_image_without_objects_keeps_the_keys_of_the_others(tmp_path):
    target = read_voc(write(tmp_path, things=[]), "train").target(0)
    assert target["boxes"].shape == (0, 4) and target["difficult"].shape == (0,)


def test_other_names_are_numbered_alike_in_every_split(tmp_path):
    write(tmp_path, names=("a", "b", "c"), things=[thing("zebra"), thing("ant")])
    (tmp_path / "ImageSets/Main/val.txt").write_text("b -1\n")
    (tmp_path / "ImageSets/Main/ant_val.txt").write_text("b -1\n")
    assert read_voc(tmp_path, "val").classes == read_voc(tmp_path, "train").classes == ["ant", "dog", "zebra"]
    assert read_voc(tmp_path, "val").target(0)["labels"].tolist() == [2]
    assert len(read_voc(tmp_path)) == 3                                  # no split: every file


def test_segmentation_png_gives_each_object_its_mask(tmp_path):
    write(tmp_path, things=[thing(), thing("cat", (10, 2, 12, 4))])
    (tmp_path / "SegmentationObject").mkdir()
    painted = np.zeros((10, 20), np.uint8)
    painted[1:7, 2:6], painted[1:4, 9:12], painted[0, 0] = 1, 2, 255     # 255: VOC's border between objects
    picture = Image.fromarray(painted, "P")
    picture.putpalette([0] * 768)
    picture.save(tmp_path / "SegmentationObject" / "a.png")
    data = read_voc(tmp_path, "train")
    masks = data.target(0, masks=True)["masks"]
    assert masks.sum((1, 2)).tolist() == [24, 9] and masks[1, 1:4, 9:12].all()
    assert all("counts" in a["segmentation"] for a in data.coco_dict()["annotations"][:2])
    with pytest.raises(ValueError, match="no segmentation"):
        data.target(1, masks=True)


def test_the_version_follows_annotations_and_list(tmp_path):
    first = read_voc(write(tmp_path), "train").version
    assert read_voc(tmp_path, "train").version == first
    assert read_voc(write(tmp_path, listed=["b", "a"]), "train").version != first
    assert read_voc(write(tmp_path, things=[]), "train").version != first


FATAL = {
    "broken XML": (lambda f: (f / "Annotations/b.xml").write_text("<annotation><size>"),
                   "b.xml: line 1: found broken XML"),
    "empty XML": (lambda f: (f / "Annotations/b.xml").write_text(""), "b.xml: .*0 bytes"),
    "no XML": (lambda f: (f / "Annotations/b.xml").unlink(), "train.txt: image b: found no annotation file"),
    "no image": (lambda f: (f / "JPEGImages/b.jpg").unlink(), "train.txt: image b: found no such image"),
    "unlisted": (lambda f: write(f, listed=["a", "b", "c"]), "train.txt: image c: found no such image"),
    "size 0": (lambda f: write(f, size=(0, 0)), "a.xml: size: found height 0, width 0"),
    "size absent": (lambda f: (f / "Annotations/b.xml").write_text("<annotation/>"), "b.xml: size: found height None"),
    "reversed": (lambda f: write(f, things=[thing(), thing(box=(6, 2, 3, 7))]),
                 "a.xml: object 2: .*xmin 6.*xmin < xmax"),
    "NaN": (lambda f: write(f, things=[thing(box=("nan", 2, 3, 7))]), "a.xml: object 1: .*xmin nan"),
    "words": (lambda f: write(f, things=[thing(box=("left", 2, 3, 7))]), "a.xml: object 1: .*xmin left"),
    "no name": (lambda f: write(f, things=[thing(name="")]), "a.xml: object 1: found name ''"),
    "no box": (lambda f: write(f, things=["<object><name>dog</name></object>"]), "a.xml: object 1: .*xmin None"),
    "far outside": (lambda f: write(f, things=[thing(box=(18, 2, 60, 7))]),
                    r"a.xml: object 1 \(dog\): .*half of the box"),
}


@pytest.mark.parametrize("name", FATAL)
def test_fatal_faults_name_the_xml_file_and_the_object(tmp_path, name):
    damage, message = FATAL[name]
    damage(write(tmp_path))
    with pytest.raises(ValueError, match=message) as error:
        read_voc(tmp_path, "train")
    assert "expected" in str(error.value)


def test_an_unknown_class_name_is_an_error_when_the_classes_are_given(tmp_path):
    write(tmp_path, things=[thing("cat"), thing("dgo")])
    with pytest.raises(ValueError, match=r"object 2 \(dgo\): found class 'dgo'; expected one of \['cat', 'dog'\]"):
        read_voc(tmp_path, "train", classes=["cat", "dog"])


def test_no_such_split_or_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"val.txt: no such image set; .*has \['train'\]"):
        read_voc(write(tmp_path), "val")
    with pytest.raises(FileNotFoundError, match="no folder JPEGImages"):
        read_voc(tmp_path / "Annotations", "train")


def test_clicks_repeats_and_counting_from_zero_are_dealt_with_and_counted(tmp_path, capsys):
    write(tmp_path, things=[thing(box=(4, 4, 4, 4)), thing(box=(0, 2, 6, 7))], listed=["a", "b", "b"])
    data = read_voc(tmp_path, "train")
    assert len(data) == 2 and data.target(0)["boxes"].tolist() == [[0, 1, 6, 7]]
    assert [f.record for f in data.skipped] == ["image b", "object 1 (dog)"]
    assert [f.record for f in data.clipped] == ["object 2 (dog)"]
    assert capsys.readouterr().out.count("\n") == 1

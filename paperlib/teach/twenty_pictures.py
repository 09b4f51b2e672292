"""Twenty pictures in a folder, as somebody might have taken them: all but three are labelled."""
import json
import shutil
from pathlib import Path

from PIL import Image

from paperlib.data.detection_set import DetectionSet
from paperlib.data.named_sets import load
from paperlib.teach.labeller.labelling import Boxes, Labelling

LEAST_AREA = 200  # px^2 of an object that is labelled; smaller ones are hard to see
MOST = 4  # objects in a picture


def twenty_pictures(folder: Path, classes: list[str], count: int = 20, by_hand: int = 3) -> dict[int, Boxes]:
    """Make `folder` anew with drawn pictures of objects of `classes`, labelled but for the first `by_hand`.

    What those three hold is given back: {place: boxes}, as `Labelling.change` takes them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    drawn = load("minicoco", "val")  # which the course's own detector has not learnt from
    truth = []
    for i in _chosen(drawn, classes, count):
        name = f"picture_{len(truth) + 1:02d}.png"
        Image.fromarray(drawn.image(i).permute(1, 2, 0).numpy()).save(folder / name)
        truth.append(_boxes(drawn, i, classes))
    labelling = Labelling(folder, classes)
    for i, boxes in enumerate(truth[by_hand:], by_hand):
        labelling.change(i, boxes)
    return dict(enumerate(truth[:by_hand]))


def _chosen(drawn: DetectionSet, classes: list[str], count: int) -> list[int]:
    """Pictures with a few objects of the classes, each class in turn, and none too small to be seen."""
    places: list[int] = []
    for i in range(len(drawn)):
        names = [name for name, area in _objects(drawn, i, classes) if area >= LEAST_AREA]
        wanted = classes[len(places) % len(classes)]
        if wanted in names and len(names) == len(_objects(drawn, i, classes)) <= MOST:
            places.append(i)
        if len(places) == count:
            return places
    raise ValueError(f"{drawn.name}: {len(places)} pictures of {', '.join(classes)}; expected {count}")


def _objects(drawn: DetectionSet, i: int, classes: list[str]) -> list[tuple[str, float]]:
    """(class, area px^2) of the objects of the classes in picture i, a crowd as one of no area."""
    objects = []
    for ann in drawn.annotations[drawn.images[i]["id"]]:
        if drawn.class_of(ann) in classes:
            objects.append((drawn.class_of(ann), ann["area"] * (not ann["iscrowd"])))
    return objects


def _boxes(drawn: DetectionSet, i: int, classes: list[str]) -> Boxes:
    boxes = []
    for ann in drawn.annotations[drawn.images[i]["id"]]:
        if drawn.class_of(ann) in classes:
            boxes.append([*ann["bbox"], classes.index(drawn.class_of(ann)) + 1])
    return boxes


def contents(folder: Path) -> str:
    """What a labelled folder holds, in words."""
    content = json.loads((folder / "instances.json").read_text(encoding="utf-8"))
    return f"{len(content['images'])} labelled pictures, {len(content['annotations'])} boxes"

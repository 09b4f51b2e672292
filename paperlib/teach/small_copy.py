"""A small copy of a data set of one's own, for the live runs of the notebooks."""
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from paperlib.data.batches import PAD
from paperlib.data.detection_set import DetectionSet
from paperlib.data.named_sets import load, splits
from paperlib.parts.masks import filled, run_lengths
from paperlib.paths import data_folder
from paperlib.progress import progress
from paperlib.world.set_names import DRAWN, SetName

LEARN = ("train", "trainval", "training")  # names of a split to learn from, the first that a set has
SCORE = ("val", "valid", "validation", "test", "testing")  # and of one to score on
AREA_SIDES = 12 / 128, 36 / 128  # sides that divide small, medium and large, over a picture's; as MiniCOCO's


def small_copy(name: str | Path, size: int = 128, train: str = "train", test: str = "val",
               most: tuple[int, int] = (1000, 300)) -> str:
    """An embedded set's name as it is; for any other set the folder of a copy that a live run can bear.

    Every picture is shrunk (or enlarged) to fit a square of `size` px and padded to it at the right and at
    the bottom. The copy has two splits, called `train` and `test`, of at most `most` pictures; a set without
    splits is divided by chance, three to one. An object without an outline gets its box's, for the cells that
    ask for masks. The copy is made once, and again when the set changes.
    Units:   px.
    Errors:  as `load`; ValueError for a size under 32, and for a set of one picture.
    """
    if SetName.parse(name).base in DRAWN:
        return str(name)
    if size < 32:
        raise ValueError(f"SIZE is {size}; expected 32 px or more")
    parts = dict(zip((train, test), _two_parts(name, most)))
    facts = [1, size, AREA_SIDES]  # 1: this way of copying
    for split, part in parts.items():
        facts += [split, part.version, part.image_ids, [str(file) for file in part.files]]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:10]
    folder = data_folder().resolve() / ".copies" / f"{Path(str(name)).resolve().name}-{size}px-{digest}"
    if not folder.is_dir():
        _make(folder, parts, size)
        print(f"{name}: {len(parts[train])} pictures to learn from and {len(parts[test])} to score on, "
              f"fitted into {size} x {size} px for the live runs")
    return str(folder)


def _two_parts(name, most: Sequence[int]) -> list[DetectionSet]:
    """The pictures to learn from and those to score on."""
    names = splits(name)
    learn, score = _first(LEARN, names), _first(SCORE, names)
    if learn is None or score is None:
        whole = load(name, names[0])
        if len(whole) < 2:
            raise ValueError(f"{whole.name}: {len(whole)} picture(s); expected two or more, "
                             "to learn and to score")
        order = np.random.default_rng(0).permutation(len(whole))
        cut = max(1, len(whole) // 4)
        halves = whole.subset(np.sort(order[cut:])), whole.subset(np.sort(order[:cut]))
    else:
        halves = load(name, learn), load(name, score)
    return [_sample(half, limit) for half, limit in zip(halves, most)]


def _first(wanted: Sequence[str], names: Sequence[str | None]) -> str | None:
    """The first of the wanted names that there is; None where there is none."""
    for name in wanted:
        if name in names:
            return name
    return None


def _sample(dataset: DetectionSet, limit: int) -> DetectionSet:
    if len(dataset) <= limit:
        return dataset
    chosen = np.random.default_rng(0).choice(len(dataset), limit, replace=False)
    return dataset.subset(np.sort(chosen))


def _make(folder: Path, parts: dict[str, DetectionSet], size: int) -> None:
    """Write the copy beside its place, then rename it: a copy that is there is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.part-", dir=folder.parent))
    try:
        (part / "annotations").mkdir()
        for split, dataset in parts.items():
            (part / split).mkdir()
            content = json.dumps(_shrunk(dataset, part / split, size), separators=(",", ":"))
            (part / "annotations" / f"instances_{split}.json").write_text(content)
        part.chmod(0o755)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _shrunk(dataset: DetectionSet, folder: Path, size: int) -> dict:
    """The set as a COCO dict in px of the copy, whose pictures are written into `folder`."""
    content, scales = dataset.coco_dict(), {}
    bar = progress(content["images"], desc=f"{dataset.name} at {size} px", unit="picture")
    for i, record in enumerate(bar):
        height, width = record["height"], record["width"]
        scales[record["id"]] = size / max(height, width), height, width
        record |= {"file_name": f"{i:06d}.png", "height": size, "width": size}
        square = _square(dataset.image(i).numpy().transpose(1, 2, 0), size)
        cv2.imwrite(str(folder / record["file_name"]), square[..., ::-1])
    for record in content["annotations"]:
        _scale(record, *scales[record["image_id"]], size)
    content["info"]["area_bounds"] = [side * size for side in AREA_SIDES]
    return content


def _square(rgb: np.ndarray, size: int) -> np.ndarray:
    """A picture (H, W, 3) fitted into the top left of a square of the colour that trunks subtract."""
    width, height = _inner(*rgb.shape[:2], size)
    square = np.full((size, size, 3), PAD, np.uint8)
    square[:height, :width] = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    return square


def _inner(height: int, width: int, size: int) -> tuple[int, int]:
    """(width, height) px of a picture in its square, as OpenCV orders them."""
    scale = size / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scale(record: dict, scale: float, height: int, width: int, size: int) -> None:
    """An object's box, area and mask in px of the copy, in place."""
    x, y, w, h = record["bbox"]
    outline = record.get("segmentation") or [[x, y, x + w, y, x + w, y + h, x, y + h]]
    record["bbox"] = [scale * side for side in record["bbox"]]
    record["area"] *= scale ** 2
    if isinstance(outline, list):
        record["segmentation"] = [(scale * np.asarray(polygon)).tolist() for polygon in outline]
    else:
        mask = filled(outline, height, width).astype(np.uint8)
        inside = cv2.resize(mask, _inner(height, width, size), interpolation=cv2.INTER_NEAREST)
        record["segmentation"] = run_lengths(np.pad(inside, [(0, size - side) for side in inside.shape]) > 0)

"""What can be put right in records without a doubt, before they are checked; each change is said.

What remains in doubt is left to the checks, which leave it out.
"""
from collections.abc import Callable
from pathlib import Path

from paperlib.data.record_checks.faults import Fault
from paperlib.data.record_checks.segmentations import wrong_mask
from paperlib.data.record_checks.values import MAX_AREA, brief, finite, flag, whole, wrong_path, wrong_size

WORDS = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1, "": 0}
Size = tuple[int, int]                                     # (height, width) px


def mend_images(data: dict, file: str, root: Path,
                size_of: Callable[[Path, str], Size | None]) -> list[Fault]:
    """Names that lead to a picture in `root`, and sizes that are absent or cannot be, by `size_of`."""
    faults: list[Fault] = []
    for record in _records(data, "images"):
        name, called = record.get("file_name"), _named(record, "image")
        if not isinstance(name, str):
            continue
        path = _path_in(root, name)
        if path != name:
            _change(record, "file_name", path, called, file, faults)
        if wrong_path(path) or not wrong_size(record.get("height"), record.get("width")):
            continue
        size = size_of(root, path)
        if size:
            saw = f"height {brief(record.get('height'))}, width {brief(record.get('width'))}"
            record |= {"height": size[0], "width": size[1]}
            now = f"the picture's: height {size[0]}, width {size[1]}"
            faults.append(Fault(file, called, saw, now, False, "mended"))
    return faults


def plain_name(name: str) -> str:
    """A name with '/' between folders, without '.' in front."""
    return name.replace("\\", "/").removeprefix("./")


def _path_in(root: Path, name: str) -> str:
    """The name by which a picture lies in a folder, perhaps without the folders of another machine."""
    path = plain_name(name)
    last = path.rpartition("/")[2]
    for each in (path, last):
        if not wrong_path(each) and (root / each).is_file():
            return each
    return path


def mend_annotations(data: dict, file: str) -> list[Fault]:
    """Ids that are absent or taken, boxes as texts or drawn from the right, flags in words, areas, masks."""
    faults: list[Fault] = []
    sizes = {}
    for image in _records(data, "images"):
        if whole(image.get("id")) is not None and not wrong_size(image.get("height"), image.get("width")):
            sizes[whole(image["id"])] = int(image["height"]), int(image["width"])
    taken: set[int] = set()
    numbers = [whole(ann.get("id")) or 0 for ann in _records(data, "annotations")]
    free = max(numbers, default=0) + 1
    for ann in _records(data, "annotations"):
        name = _named(ann, "annotation")
        number = whole(ann.get("id"))
        if number is None or number in taken:
            _change(ann, "id", free, name, file, faults)
            number, free = free, free + 1
        taken.add(number)
        _mend_box(ann, name, file, faults)
        _mend_flags(ann, name, file, faults)
        if ann.get("area") is not None and not finite(ann["area"], 0, MAX_AREA):
            _change(ann, "area", None, name, file, faults)
        seg, size = ann.get("segmentation"), sizes.get(whole(ann.get("image_id")))
        if isinstance(seg, list | dict | str | int | float) and seg and size and wrong_mask(seg, size):
            _change(ann, "segmentation", None, name, file, faults)
    return faults


def _mend_box(ann: dict, name: str, file: str, faults: list[Fault]) -> None:
    """Texts become numbers; a box that was drawn from the right or from below has its corner moved."""
    box = ann.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        return
    numbers = [_number(value) for value in box]
    if not all(map(finite, numbers)):
        return
    x, y, w, h = numbers
    mended = [min(x, x + w), min(y, y + h), abs(w), abs(h)]
    if mended != box:
        _change(ann, "bbox", mended, name, file, faults)


def _number(value: object) -> object:
    """A text's number, or the value as it is."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _mend_flags(ann: dict, name: str, file: str, faults: list[Fault]) -> None:
    for key in ("iscrowd", "difficult"):
        if key in ann and flag(ann, key) is None and isinstance(ann[key], str):
            value = WORDS.get(ann[key].strip().casefold())
            if value is not None:
                _change(ann, key, value, name, file, faults)


def _change(record: dict, key: str, value: object, name: str, file: str, faults: list[Fault]) -> None:
    """Put a value in the place of another and say so."""
    saw = f"{key} {brief(record[key])}" if key in record else f"no {key}"
    now = "none" if value is None else brief(value)
    faults.append(Fault(file, name, saw, f"now {now}", False, "mended"))
    record[key] = value


def _records(data: dict, part: str) -> list[dict]:
    """The records of a part that are any."""
    records = data.get(part)
    if not isinstance(records, list):
        return []
    return [record for record in records if isinstance(record, dict)]


def _named(record: dict, kind: str) -> str:
    return f"{kind} {brief(record.get('id'), 30)}"

"""The reader of COCO's JSON format."""
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.pixels import find_images, known_size, missing_images
from paperlib.data.record_checks.faults import Fault, read_json, uncollected, usable
from paperlib.data.record_checks.mending import mend_annotations, mend_images, plain_name
from paperlib.data.record_checks.records import check_records, refused_pictures
from paperlib.data.record_checks.texts import read_as_meant
from paperlib.data.record_checks.values import AREA_BOUNDS, area_bounds, area_ranges, wrong_path
from paperlib.paths import file_digest


def read_coco(annotation_file: str | Path, image_folder: str | Path | None = None, name: str | None = None,
              report: Callable[[str], None] | None = print) -> DetectionSet:
    """A set in COCO's format; what was dropped or clipped is counted in one line sent to `report`.

    Without `image_folder` the usual places are tried:
    <split>, images/<split>, images and the file's own folder.
    Errors: FileNotFoundError; ValueError naming file, record, what was found and what was expected.
    Differs: pycocotools loads without checks. Here boxes of no area and polygons of two points are dropped,
        boxes that stick out are clipped, `iscrowd` defaults to 0 and `area` to that of the mask, else of the
        box; all else that is wrong stops.
    """
    dataset, faults = gather_coco(Path(annotation_file), image_folder, name)
    return usable(dataset, faults, report)


@uncollected()
def gather_coco(file: Path, image_folder=None, name: str | None = None,
                pictures: bool = True, mend: bool = False) -> tuple[DetectionSet | None, list[Fault]]:
    """As much of a COCO file as can be used, and every fault in its records; opens no image.

    `pictures=False` does not ask whether they are there, for a caller who opens them all. `mend` puts right
    what is clear, as `record_checks.mending` does.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such annotation file")
    data, faults = read_json(file)
    if data is None:
        return None, faults
    mended = read_as_meant(data, str(file))
    if mend:
        mended += _mend(data, file, image_folder)
    records, faults = check_records(data, str(file), labelled=not file.name.startswith("image_info"))
    faults = mended + faults
    root = Path(image_folder) if image_folder else find_images(file, records["images"])
    if pictures:
        faults += missing_images(root, records["images"], str(file))
    version = file_digest(file)[:12]
    bounds, wrong = area_bounds(data)
    if wrong:
        faults.append(Fault(str(file), "info", *wrong, True))
    refused = refused_pictures(data, records["images"])
    return assemble(name or file.parent.name, root, records, version, faults, bounds, refused), faults


def _mend(data: dict, file: Path, image_folder) -> list[Fault]:
    """Put a file's records right where it is clear how; the faults say what was done."""
    names = []
    for record in data["images"] if isinstance(data.get("images"), list) else ():
        name = record.get("file_name") if isinstance(record, dict) else None
        if isinstance(name, str):
            names += [plain_name(name), plain_name(name).rpartition("/")[2]]
    usable = [{"file_name": name} for name in names if not wrong_path(name)]
    root = Path(image_folder) if image_folder else find_images(file, usable)
    return mend_images(data, str(file), root, known_size) + mend_annotations(data, str(file))


def assemble(name: str, root: Path, records: dict, version: str, faults: list[Fault],
             bounds: Sequence[float] = AREA_BOUNDS, refused: Iterable[str] = (),
             sources: dict[int, Path] | None = None) -> DetectionSet:
    """A DetectionSet from checked records; `bounds`, px: the sides that divide small, medium and large.

    `sources`: image id -> the file that annotates it, where each image has one of its own.
    """
    by_image: dict[int, list[dict]] = {image["id"]: [] for image in records["images"]}
    for ann in records["annotations"]:
        by_image[ann["image_id"]].append(ann)
    dealt = {"kept": [], "dropped": [], "clipped": [], "mended": []}
    for fault in faults:
        if not fault.fatal:
            dealt[fault.action].append(fault)
    categories = sorted(records["categories"], key=lambda category: category["id"])
    return DetectionSet(name, root, categories, records["images"], by_image, version, area_ranges(bounds),
                        dealt["dropped"], dealt["clipped"], frozenset(refused), sources=sources or {})

"""MiniCOCO on disk, in COCO's format."""
import json
from pathlib import Path

from paperlib.parts.masks import polygons, run_lengths
from paperlib.world.captions import captions
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.drawn_sets import AREA_BOUNDS, first_id, seed_of, version, world_of
from paperlib.world.world import Drawing, compose
from paperlib.world.write_pictures import draw_pictures, save


def _coco_one(name: str, split: str, k: int, folder: Path) -> tuple[list[dict], list[str]]:
    drawing = compose(world_of(name), seed_of(name, split, k))
    number = first_id(name, split) + k
    save(folder / split / f"{number:012d}.jpg", drawing.image)
    return _coco_records(drawing, number), captions(drawing, number)


def _coco_records(drawing: Drawing, image_id: int) -> list[dict]:
    records = []
    for instance in drawing.instances:
        outline = run_lengths if instance["crowd"] else polygons
        records.append({"image_id": image_id, "category_id": instance["category"], "bbox": instance["bbox"],
                        "area": instance["area"], "iscrowd": int(instance["crowd"]),
                        "segmentation": outline(instance["mask"])})
    return records


def write_minicoco(name: str, folder: Path, counts: dict[str, int], jobs: int) -> None:
    """Draw MiniCOCO into a folder: JPEGs, and an annotation file for each split."""
    for part in ("annotations", *counts):
        (folder / part).mkdir(exist_ok=True)
    size = world_of(name).size
    splits: dict[str, tuple[list, list, list]] = {split: ([], [], []) for split in counts}
    next_id = 1
    for split, k, (records, lines) in draw_pictures(_coco_one, name, counts, jobs, folder):
        images, instances, sentences = splits[split]
        number = first_id(name, split) + k
        images.append({"id": number, "file_name": f"{number:012d}.jpg", "height": size, "width": size})
        instances += [{"id": next_id + j, **record} for j, record in enumerate(records)]
        sentences += [{"id": 5 * number + j, "image_id": number, "caption": line} for j,
                      line in enumerate(lines)]
        next_id += len(records)
    categories = []
    for k, category in enumerate(CATEGORIES[:world_of(name).categories], 1):
        categories.append({"id": k, "name": category.name, "supercategory": category.supercategory})
    for split, (images, instances, sentences) in splits.items():
        info = {"description": f"MiniCOCO {split}: drawn scenes", "version": version(name),
                "area_bounds": AREA_BOUNDS}
        if split == "test":
            _dump(folder, f"image_info_{split}", {"info": info, "images": images, "categories": categories})
            continue
        content = {"info": info, "images": images, "annotations": instances, "categories": categories}
        _dump(folder, f"instances_{split}", content)
        _dump(folder, f"captions_{split}", {"info": info, "images": images, "annotations": sentences})


def _dump(folder: Path, name: str, content: dict) -> None:
    (folder / "annotations" / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")))

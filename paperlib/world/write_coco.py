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
    return [{"image_id": image_id, "category_id": thing["category"], "bbox": thing["bbox"], "area": thing["area"],
             "iscrowd": int(thing["crowd"]),
             "segmentation": run_lengths(thing["mask"]) if thing["crowd"] else polygons(thing["mask"])}
            for thing in drawing.instances]


def write_minicoco(name: str, folder: Path, counts: dict[str, int], jobs: int) -> None:
    """Draw MiniCOCO into a folder: JPEGs, and an annotation file for each split."""
    for part in ("annotations", *counts):
        (folder / part).mkdir(exist_ok=True)
    size = world_of(name).size
    found: dict[str, tuple[list, list, list]] = {split: ([], [], []) for split in counts}
    next_id = 1
    for split, k, (records, lines) in draw_pictures(_coco_one, name, counts, jobs, folder):
        images, things, sentences = found[split]
        number = first_id(name, split) + k
        images.append({"id": number, "file_name": f"{number:012d}.jpg", "height": size, "width": size})
        things += [{"id": next_id + j, **record} for j, record in enumerate(records)]
        sentences += [{"id": 5 * number + j, "image_id": number, "caption": line} for j, line in enumerate(lines)]
        next_id += len(records)
    for split, (images, things, sentences) in found.items():
        info = {"description": f"MiniCOCO {split}: drawn scenes", "version": version(name),
                "area_bounds": AREA_BOUNDS}
        there = CATEGORIES[:world_of(name).categories]
        kinds = [{"id": k, "name": c.name, "supercategory": c.supercategory} for k, c in enumerate(there, 1)]
        if split == "test":
            _dump(folder, f"image_info_{split}", {"info": info, "images": images, "categories": kinds})
            continue
        content = {"info": info, "images": images, "annotations": things, "categories": kinds}
        _dump(folder, f"instances_{split}", content)
        _dump(folder, f"captions_{split}", {"info": info, "images": images, "annotations": sentences})


def _dump(folder: Path, name: str, content: dict) -> None:
    (folder / "annotations" / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")))

"""MiniCOCO on disk, in COCO's format."""
import json
from functools import cache
from pathlib import Path

from paperlib.parts.masks import polygons, run_lengths
from paperlib.world.captions import captions
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.drawn_sets import AREA_BOUNDS, first_id, seed_of, version, world_of
from paperlib.world.world import Drawing, compose
from paperlib.world.write_pictures import draw_pictures, save

ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_text_of_number = cache(float.__repr__)             # as json writes it


def _coco_one(name: str, split: str, k: int, folder: Path) -> tuple[list[str], list[str]]:
    """Draw and write one picture; its records as JSON, made in each process for itself, and its captions."""
    drawing = compose(world_of(name), seed_of(name, split, k))
    number = first_id(name, split) + k
    save(folder / split / f"{number:012d}.jpg", drawing.image)
    return [_as_text(record) for record in _coco_records(drawing, number)], captions(drawing, number)


def _as_text(record: dict) -> str:
    """JSON of a record, in half of json's time: polygons hold few different numbers, which are looked up."""
    outline = record["segmentation"]
    if isinstance(outline, dict):
        return ENCODE(record)
    rings = [f"[{','.join(map(_text_of_number, ring))}]" for ring in outline]
    empty = ENCODE({**record, "segmentation": []})
    return empty.removesuffix("]}") + ",".join(rings) + "]}"


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
        instances += [f'{{"id":{next_id + j},{record[1:]}' for j, record in enumerate(records)]
        for j, line in enumerate(lines):
            sentences.append({"id": 5 * number + j, "image_id": number, "caption": line})
        next_id += len(records)
    categories = []
    for k, category in enumerate(CATEGORIES[:world_of(name).categories], 1):
        categories.append({"id": k, "name": category.name, "supercategory": category.supercategory})
    for split, (images, instances, sentences) in splits.items():
        info = {"description": f"MiniCOCO {split}: drawn scenes", "version": version(name),
                "area_bounds": AREA_BOUNDS}
        texts = {"info": ENCODE(info), "images": ENCODE(images)}
        kinds = {"categories": ENCODE(categories)}
        if split == "test":
            _dump(folder, f"image_info_{split}", texts | kinds)
            continue
        _dump(folder, f"instances_{split}", texts | {"annotations": f"[{','.join(instances)}]"} | kinds)
        _dump(folder, f"captions_{split}", texts | {"annotations": ENCODE(sentences)})


def _dump(folder: Path, name: str, texts: dict[str, str]) -> None:
    """Write one JSON object, whose values are JSON already."""
    fields = [f'"{key}":{text}' for key, text in texts.items()]
    (folder / "annotations" / f"{name}.json").write_text(f"{{{','.join(fields)}}}")

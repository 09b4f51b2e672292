"""Writing a set as COCO: annotations/instances_<split>.json beside images/."""
import json
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.output import copy_picture

OF_A_FILE = ("line", "object")                             # places in the files that the set was read from


def write_coco(out: Path, split: str | None, dataset: DetectionSet, names: dict[Path, str]) -> list[str]:
    """One split, its pictures under `names`; all that a set holds can be said in COCO, so nothing is lost."""
    data = dataset.coco_dict()
    for image in data["images"]:
        source = dataset.root / image["file_name"]
        image["file_name"] = names[source]
        target = out / "images" / names[source]
        if not target.exists():
            copy_picture(source, target)
    for ann in data["annotations"]:
        for key in OF_A_FILE:
            ann.pop(key, None)
        seg = ann.get("segmentation")
        if isinstance(seg, dict) and isinstance(seg["counts"], bytes):
            ann["segmentation"] = {**seg, "counts": seg["counts"].decode()}
    file = out / "annotations" / f"instances_{split}.json" if split else out / "instances.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data), encoding="utf-8", errors="surrogatepass")
    return []

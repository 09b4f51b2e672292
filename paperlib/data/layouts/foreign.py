"""Formats that are not read here, known by their looks, so that an error can say how to export another."""
from pathlib import Path

from paperlib.data.layouts.folders import NOTE_FOLDERS, called, subfolders, visible

HEAD = 20_000                  # bytes that are looked at
LOOKED_AT = 20                 # files of each kind
LOOKS = (                      # ending, text near the beginning, whose it is, how to export what is read here
    (".xml", b"<annotations>", "CVAT's own XML", "export as COCO 1.0, or YOLO 1.1"),
    (".json", b'"_via_', "a project of VIA", "use its menu: Annotation > Export Annotations (COCO format)"),
    (".json", b'"shapes"', "LabelMe's JSON", "convert it to COCO with labelme's own labelme2coco.py"),
    (".json", b'"from_name"', "Label Studio's own JSON", "export as COCO with images, or YOLO with images"),
    (".json", b'"coordinates"', "CreateML's JSON", "export as COCO"),
    (".csv", b"", "a table", "export as COCO, YOLO or PASCAL VOC"),
    (".tfrecord", b"", "TensorFlow's records", "export as COCO, YOLO or PASCAL VOC"))


def advice(folder: Path, is_set) -> str:
    """What a folder that is no set may be, in words: a subfolder is one, a format to export anew; else ""."""
    for sub in subfolders(folder):
        if is_set(sub):
            return f"; {sub} is one"
    for place in (folder, *called(folder, NOTE_FOLDERS)):
        for ending, words, whose, how in LOOKS:
            for file in visible(place, f"*{ending}")[:LOOKED_AT]:
                if file.is_file() and words in _head(file):
                    return f"; {file.name} looks like {whose}, which is not read here: {how}"
    return ""


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(HEAD)
    except OSError:
        return b""

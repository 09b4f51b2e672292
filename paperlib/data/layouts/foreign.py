"""Formats that are not read here, known by their looks, so that an error can say how to come from another."""
from collections.abc import Iterator
from pathlib import Path

from paperlib.data.layouts.folders import NOTE_FOLDERS, called, subfolders, visible

HEAD = 20_000                  # bytes that are looked at
LOOKED_AT = 20                 # files of each kind
NAMED = 3                      # files that an error names
EXPORT = "export it again as COCO, YOLO or PASCAL VOC"
BY_HAND = f"{EXPORT}, or make a COCO file of it as under 'From a table' in data/README.md"
LOOKS = (                      # ending, text near the beginning, whose it is, how to export what is read here
    (".xml", b"<annotations>", "CVAT's own XML", "export as COCO 1.0, or YOLO 1.1"),
    (".json", b'"_via_', "a project of VIA", "use its menu: Annotation > Export Annotations (COCO format)"),
    (".json", b'"shapes"', "LabelMe's JSON", "convert it to COCO with labelme's own labelme2coco.py"),
    (".json", b'"from_name"', "Label Studio's own JSON", "export as COCO with images, or YOLO with images"),
    (".json", b'"coordinates"', "CreateML's JSON", EXPORT),
    (".csv", b"", "a table", BY_HAND),
    (".tsv", b"", "a table", BY_HAND),
    (".parquet", b"", "a table", BY_HAND),
    (".jsonl", b"", "JSON line by line", BY_HAND),
    (".ndjson", b"", "JSON line by line", BY_HAND),
    (".mat", b"", "MATLAB's data", BY_HAND),
    (".npy", b"", "an array of NumPy", BY_HAND),
    (".npz", b"", "arrays of NumPy", BY_HAND),
    (".tfrecord", b"", "TensorFlow's records", EXPORT),
    (".record", b"", "TensorFlow's records", EXPORT))
# files beside pictures that may hold labels: such a folder is not one of pictures alone
ENDINGS = (*dict.fromkeys(look[0] for look in LOOKS), ".yaml", ".yml")


def holds_other_labels(folder: Path) -> bool:
    """Whether a file of a folder could hold labels, by its name."""
    return any(file.suffix.lower() in ENDINGS for file in visible(folder, "*"))


def advice(folder: Path, is_set) -> str:
    """What a folder that is no set may be: a format to export anew, or a subfolder is a set; else ""."""
    for ending, words, whose, how in LOOKS:
        files = _alike(folder, ending, words)
        if files:
            what, verb = f"{whose}{_columns(files[0])}", "s" if len(files) == 1 else ""
            return f"; {_names(files, folder)} look{verb} like {what}, which is not read here: {how}"
    for sub in subfolders(folder):
        if is_set(sub):
            return f"; {sub} is one"
    return ""


def _alike(folder: Path, ending: str, words: bytes) -> list[Path]:
    """The files of a folder, of its folders of annotations and of all its folders that look so."""
    files: dict[Path, None] = {}
    for place in _places(folder):
        for file in visible(place, "*")[:LOOKED_AT * len(LOOKS)]:
            if file.suffix.lower() == ending and file.is_file() and words in _head(file):
                files[file] = None
    return list(files)


def _places(folder: Path) -> Iterator[Path]:
    yield folder
    yield from called(folder, NOTE_FOLDERS)
    yield from subfolders(folder)


def _names(files: list[Path], folder: Path) -> str:
    """The first files, by their place in the folder, and how many more there are."""
    names = ", ".join(str(file.relative_to(folder)) for file in files[:NAMED])
    more = len(files) - NAMED
    return f"{names} and {more} more" if more > 0 else names


def _columns(file: Path) -> str:
    """The first line of a table of text, which may name its columns; "" for other files."""
    if file.suffix.lower() not in (".csv", ".tsv"):
        return ""
    first = _head(file).decode("utf-8-sig", "replace").strip().splitlines()
    return f" ({first[0].strip():.80})" if first else ""


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(HEAD)
    except OSError:
        return b""

"""Finding a detection set by name or path, and drawing the embedded ones on first use."""
import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from paperlib.data.coco import DetectionSet, read_coco
from paperlib.data.images import data_folder
from paperlib.data.lists import read_list
from paperlib.data.voc import read_voc, splits_of

EMBEDDED = ("minicoco", "mininet", "minivoc")              # drawn by `build`; mininet holds crops, without boxes
DOWNLOADED = ("coco2014", "coco2017", "voc2007", "voc2012")


def is_drawn(name: str | Path) -> bool:
    """Whether a name is that of an embedded set, a dial turned or not: "minicoco", "minicoco?stuff=0"."""
    return all(part.partition("?")[0] in EMBEDDED for part in str(name).split("@"))


def known_sets() -> dict[str, str]:
    """Every set that has a name, and where it is or how to get it."""
    how = {**dict.fromkeys(EMBEDDED, "drawn on first use"),
           **{name: f"not here; `paperlib data download {name}`" for name in DOWNLOADED}}
    folder = data_folder()
    found = {p.name for p in folder.iterdir() if p.is_dir() and (
        _json_splits(p) or (p / "Annotations").is_dir() or (p / "version").is_file())} if folder.is_dir() else set()
    return {name: str(folder / name) if name in found else how[name] for name in sorted(how | dict.fromkeys(found, ""))}


def load(name_or_path: str | Path, split: str | None = None, limit: int | None = None) -> DetectionSet:
    """A detection set: an embedded or downloaded name ("minicoco", "minicoco/val"), a COCO JSON file or folder, or
    a VOC folder. A COCO folder's split may also be a list of images, `annotations/<split>.txt` (`lists.read_list`).
    `limit` keeps the first so many images. "A@B" is set A with the categories that set B has.

    Errors: KeyError for a name that is no set and no path, and for a split that the set lacks, each with what there is.
    """
    name, _, like = str(name_or_path).partition("@")
    if like:
        return load(name, split, limit).only(load(like, splits(like)[0]).classes)
    if split and (listed := resolve(name_or_path) / "annotations" / f"{split}.txt").is_file():
        files = _json_splits(listed.parent.parent).values()
        found = read_list(listed, [f for f in files if f.stem.startswith("instances")], f"{_top(listed).name}/{split}")
        return found if limit is None else found.subset(limit)
    kind, place, split = locate(name_or_path, split)
    if kind == "coco":
        title = f"{_top(place).name}/{split}" if split else _top(place).name
        found = read_coco(place, name=title)
    else:
        found = read_voc(place, split)
    return found if limit is None else found.subset(limit)


def locate(name_or_path: str | Path, split: str | None = None) -> tuple[str, Path, str | None]:
    """("coco", annotation file, split) or ("voc", folder, split); draws an embedded set if it is not there yet."""
    path = resolve(name_or_path)
    if split is None and not path.exists() and str(name_or_path).count("/") == 1:
        path, split = resolve(str(name_or_path).split("/")[0]), str(name_or_path).split("/")[1]
    if path.is_file():
        return "coco", path, split
    if not path.is_dir():
        raise KeyError(f"no data set {str(name_or_path)!r}: neither a path nor one of {', '.join(known_sets())}")
    if files := _json_splits(path):
        chosen = _choose(path, split, list(files))
        return "coco", files[chosen], None if chosen == "instances" else chosen
    if (path / "Annotations").is_dir():
        splits = splits_of(path)
        return "voc", path, _choose(path, split, splits) if splits else None
    holds = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
    raise KeyError(f"{path} is no detection set: it holds {holds}; expected COCO's annotations/instances_<split>.json "
                   "(or instances.json) or VOC's Annotations, ImageSets and JPEGImages")


def splits(name_or_path: str | Path) -> list[str | None]:
    """The splits that `load` offers; [None] for a set without splits."""
    path = resolve(name_or_path)
    files = _json_splits(path) if path.is_dir() else {}
    names = list(files) if files else splits_of(path)
    return [None] if names in ([], ["instances"]) else names


def resolve(name_or_path: str | Path) -> Path:
    """The path of a set; an embedded one is drawn first if it is missing."""
    name = str(name_or_path)
    if is_drawn(name):
        return ensure(name)
    return data_folder() / name if name in known_sets() else Path(name_or_path)


def ensure(name: str, jobs: int | None = None) -> Path:
    """The folder of an embedded set, drawn under a lock into a temporary folder that is renamed when complete.

    A folder that an older version of the drawings made is replaced: it holds other pictures than today's results. What
    a killed drawing left is removed.
    Errors: KeyError for another name; OSError where nothing can be written.
    """
    from paperlib.data import build  # late: drawing needs OpenCV, reading other sets does not
    if not is_drawn(name):
        raise KeyError(f"no embedded data set {name!r}; there are {', '.join(EMBEDDED)}")
    folder = data_folder() / build.folder_of(name)
    if _is_current(folder, build.version(name)):
        return folder
    with _alone(folder):
        for left in folder.parent.glob(f".{glob.escape(folder.name)}.part-*"):
            shutil.rmtree(left, ignore_errors=True)
        if not _is_current(folder, build.version(name)):
            part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
            try:
                build.build(name, part, jobs)
                part.chmod(0o755)
                shutil.rmtree(folder, ignore_errors=True)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a drawn set. Errors: OSError with a hint where its folder cannot be written."""
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise OSError(f"{folder.parent}: {folder.name} cannot be drawn there ({error.strerror or error}); set "
                      "PAPERLIB_DATA to a folder that can be written to") from None
    try:
        yield
    finally:
        lock.release()


def _is_current(folder: Path, version: str) -> bool:
    """Whether a set is there and not of another version; a folder without a stamp is its owner's business."""
    stamp = folder / "version"
    return folder.is_dir() and (not stamp.is_file() or stamp.read_text().strip() == version)


def _choose(path: Path, split: str | None, there: list[str]) -> str:
    if split is None and (len(there) == 1 or "instances" in there):
        return there[0] if len(there) == 1 else "instances"
    for name in (split, str(split).rstrip("0123456789")):
        if name in there:
            return name
    asked = "which split?" if split is None else f"no split {split!r};"
    has = "no splits, only instances.json" if there == ["instances"] else ", ".join(there)
    raise KeyError(f"{path}: {asked} it has {has}")


def _json_splits(folder: Path) -> dict[str, Path]:
    """Split -> annotation file of a COCO folder; a year in the file's name may be left out."""
    files: dict[str, Path] = {}
    for place, prefix in (("annotations", "instances_"), ("annotations", "image_info_"), ("", "instances")):
        for file in sorted((folder / place).glob(f"{prefix}*.json")):
            full = file.stem.removeprefix(prefix)          # "train2017" answers to "train", unless 2014 is there too
            split = full.rstrip("0123456789").rstrip("_") or "instances"
            files.setdefault(full if split in files else split, file)
    return files


def _top(file: Path) -> Path:
    return file.parent.parent if file.parent.name == "annotations" else file.parent

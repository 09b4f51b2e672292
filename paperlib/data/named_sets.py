"""Finding a detection set by name or path, and drawing the embedded ones on first use."""
import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.parts import Part, parts_of
from paperlib.data.layouts.coco_places import choose, json_splits, lists_at
from paperlib.data.layouts.foreign import advice
from paperlib.data.read_list import read_list
from paperlib.data.record_checks.faults import usable
from paperlib.paths import data_folder
from paperlib.spelling import did_you_mean
from paperlib.world.set_names import DRAWN, SetName

DOWNLOADED = ("coco2014", "coco2017", "voc2007", "voc2012")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")
LAYOUTS = ("COCO's annotations/instances_<split>.json (or instances.json), Roboflow's "
           "<split>/_annotations.coco.json, VOC's Annotations, ImageSets and JPEGImages (or annotations/ "
           "beside images/), YOLO's data.yaml (or images/ and labels/), or pictures alone")
Name = str | Path | SetName                                # of a set, or where one lies
ListedImages = tuple[Path, list[Path], str]  # a list of images, its annotation files, and a name


def is_drawn(name: Name) -> bool:
    """Whether a name is that of an embedded set, a dial turned or not: "minicoco", "minicoco?stuff=0"."""
    return SetName.parse(name).is_drawn


def known_sets() -> dict[str, str]:
    """Every set that has a name, and where it is or how to get it."""
    places = dict.fromkeys(DRAWN, "drawn on first use")
    for name in DOWNLOADED:
        places[name] = f"not here; `paperlib data download {name}`"
    folder = data_folder()
    for path in sorted(folder.glob("*")):
        is_set = json_splits(path) or (path / "Annotations").is_dir() or (path / "version").is_file()
        if path.is_dir() and is_set:
            places[path.name] = str(path)
    return dict(sorted(places.items()))


def load(name_or_path: Name, split: str | None = None, limit: int | None = None) -> DetectionSet:
    """A detection set by its name ("minicoco", "minicoco/val"), or a COCO file, or a folder.

    A folder is in COCO's, VOC's or YOLO's format, or of pictures alone (`formats.parts`).
    A COCO folder's split may also be a list of images, `annotations/<split>.txt` (`read_list.read_list`).
    `limit` keeps the first so many images. "A@B" is set A with the categories that set B has.

    Errors: KeyError for a name that is no set and no path, and for a split that the set lacks, each with what
            there is; ValueError for the first fatal fault.
    """
    name = SetName.parse(name_or_path)
    listed = list_of(name, split)
    dataset = read_list(*listed) if listed else usable(*locate(name, split).gather())
    if limit is not None:
        dataset = dataset.subset(limit)
    if not name.mix:
        return dataset
    return dataset.only(load(name.mix, splits(name.mix)[0]).classes)


def locate(name_or_path: Name, split: str | None = None) -> Part:
    """Where a split lies and in which format.

    Draws an embedded set if it is not there yet.
    Errors: as `load`.
    """
    name = SetName.parse(name_or_path)
    path, split = _place(name, split)
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        path = path.parent
    if path.is_file() and path.suffix in ARCHIVES:
        raise KeyError(f"{path}: found an archive; expected the folder that it unpacks to")
    if path.is_file():
        if split is not None:
            raise KeyError(f"{path}: no split {split!r}: it is one annotation file")
        return Part("coco", path)
    if not path.is_dir():
        raise KeyError(f"no data set {str(name)!r}: neither a path nor one of {', '.join(known_sets())}"
                       f"{did_you_mean(name.base, known_sets())}")
    parts = parts_of(path)
    if not parts:
        holds = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
        raise KeyError(f"{path} is no detection set: it holds {holds}; expected {LAYOUTS}"
                       f"{advice(path, parts_of)}")
    return parts[choose(path, split, parts)]


def _place(name: SetName, split: str | None) -> tuple[Path, str | None]:
    """The path of a set and the split asked for; "minicoco/val" names both, if no path is called so."""
    path = resolve(name)
    if split is not None or name.split is None or path.exists():
        return path, split
    if name.base in DRAWN or name.top in known_sets():
        return resolve(name.top), name.split
    folder = Path(name.top)
    offered = {file.stem for file in lists_at(folder)}
    if folder.is_dir():
        offered |= set(parts_of(folder)) - {None}
    if name.split in offered:
        return folder, name.split
    if offered:
        raise KeyError(f"no data set {str(name)!r}: there is no such path, and {name.top} has no split "
                       f"{name.split!r}; it has {', '.join(sorted(offered))}")
    return path, split


def splits(name_or_path: Name) -> list[str | None]:
    """The splits that `load` offers, but for lists of images; [None] for a set without splits."""
    path = resolve(name_or_path)
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        path = path.parent
    return list(parts_of(path) if path.is_dir() else ()) or [None]


def list_of(name_or_path: Name, split: str | None) -> ListedImages | None:
    """What `read_list` needs for a split that is a list of images; None for another split."""
    path, split = _place(SetName.parse(name_or_path), split)
    for listed in lists_of(path):
        if listed[0].stem == split:
            return listed
    return None


def lists_of(name_or_path: Name) -> list[ListedImages]:
    """All lists of images in a COCO folder, as `list_of` gives them."""
    path = resolve(name_or_path)
    lists = lists_at(path)
    if not lists:
        return []
    files = [file for file in json_splits(path).values() if file.stem.startswith("instances")]
    return [(file, files, f"{path.name}/{file.stem}") for file in lists if files]


def resolve(name_or_path: Name) -> Path:
    """The path of a set, whatever its mix; an embedded one is drawn first if it is missing."""
    name = SetName.parse(name_or_path)
    if name.base in DRAWN and name.split is None:
        return ensure(name.top)
    if len(name.path.parts) == 1 and str(name.path) in known_sets():
        return data_folder() / name.path
    return name.path


def ensure(name: str, jobs: int | None = None) -> Path:
    """The folder of an embedded set, drawn under a lock in a temporary folder that is renamed when complete.

    A folder that an older version of the drawings made is replaced: it holds other pictures than today's
    results. What a killed drawing left is removed.
    Errors: KeyError for another name; OSError where nothing can be written.
    """
    from paperlib.world import build, drawn_sets  # late: drawing needs OpenCV, reading other sets does not
    if not is_drawn(name) or SetName.parse(name).mix:
        raise KeyError(f"no embedded data set {name!r}; there are {', '.join(DRAWN)}"
                       f"{did_you_mean(name, DRAWN)}")
    folder = data_folder() / drawn_sets.folder_of(name)
    if _is_current(folder, drawn_sets.version(name)):
        return folder
    with _alone(folder):
        for left in folder.parent.glob(f".{glob.escape(folder.name)}.part-*"):
            shutil.rmtree(left, ignore_errors=True)
        if not _is_current(folder, drawn_sets.version(name)):
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
        raise OSError(f"{folder.parent}: {folder.name} cannot be drawn there ({error.strerror or error}); "
                      "set PAPERLIB_DATA to a folder that can be written to") from None
    try:
        yield
    finally:
        lock.release()


def _is_current(folder: Path, version: str) -> bool:
    """Whether a set is there and not of another version; a folder without a stamp is its owner's business."""
    stamp = folder / "version"
    return folder.is_dir() and (not stamp.is_file() or stamp.read_text().strip() == version)

"""Fetching real COCO and VOC: mirrors, resume, checksums, and a folder that appears only when complete."""
import hashlib
import http.client
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from paperlib.paths import data_folder
from paperlib.progress import progress
from paperlib.spelling import did_you_mean

CHUNK = 1 << 20                # bytes
GROWTH = 10                    # an archive may unpack to so many times its size; COCO's annotations reach 3.4
TRIES = 3                      # per mirror; a transfer that moved on does not count


@dataclass(frozen=True)
class Archive:
    """One file to fetch and unpack."""
    path: str                  # below each mirror; its last part names the file on disk
    md5: str
    gigabytes: float
    strip: int = 0             # leading folders inside the archive that are dropped


COCO_MIRRORS = ("http://images.cocodataset.org/", "https://s3.amazonaws.com/images.cocodataset.org/")
VOC_MIRRORS = ("https://thor.robots.ox.ac.uk/pascal/VOC/", "http://host.robots.ox.ac.uk/pascal/VOC/")
MIRRORS = {"coco2014": COCO_MIRRORS, "coco2017": COCO_MIRRORS, "voc2007": VOC_MIRRORS, "voc2012": VOC_MIRRORS}
ARCHIVES = {
    "coco2014": (Archive("zips/train2014.zip", "0da8c0bd3d6becc4dcb32757491aca88", 13.5),
                 Archive("zips/val2014.zip", "a3d79f5ed8d289b7a7554ce06a5782b3", 6.6),
                 Archive("annotations/annotations_trainval2014.zip", "0a379cfc70b0e71301e0f377548639bd",
                         0.3)),
    "coco2017": (Archive("zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2", 19.3),
                 Archive("zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80", 0.8),
                 Archive("annotations/annotations_trainval2017.zip", "f4bbac642086de4f52a3fdda2de5fa2c",
                         0.3)),
    "voc2007": (Archive("voc2007/VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64", 0.5, 2),
                Archive("voc2007/VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f", 0.5, 2)),
    "voc2012": (Archive("voc2012/VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd", 2.0, 2),),
}


def download(name: str, root: Path | None = None) -> Path:
    """The folder of a real data set, fetched and unpacked if it is not there.

    An interrupted call can be repeated.
    Archives gather in .<name>-download beside the set, where one fetched by hand is accepted too; they are
    removed when the set is complete.
    Errors: KeyError for a name that is not offered; ValueError when the disk is too small; FileNotFoundError
        when no mirror gave a file with the right checksum, with what each one said.
    """
    if name not in ARCHIVES:
        raise KeyError(f"no download {name!r}; there are {', '.join(ARCHIVES)}{did_you_mean(name, ARCHIVES)}")
    root = Path(root or data_folder())
    folder, store = root / name, root / f".{name}-download"
    if folder.is_dir():
        return folder
    store.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{name}.lock"):
        if not folder.is_dir():
            _room(name, root, store)
            files = []
            for archive in ARCHIVES[name]:
                urls = [mirror + archive.path for mirror in MIRRORS[name]]
                files.append(fetch(urls, store, archive.md5))
            part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
            try:
                for file, archive in zip(files, ARCHIVES[name]):
                    unpack(file, part, archive.strip)
                part.chmod(0o755)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(store)
    return folder


def _room(name: str, root: Path, store: Path) -> None:
    """Refuse to begin what the disk cannot hold: archives and their contents (images hardly compress)."""
    have = shutil.disk_usage(root).free / 1e9 + sum(f.stat().st_size for f in store.iterdir()) / 1e9
    need = 2 * sum(a.gigabytes for a in ARCHIVES[name])
    if have < need:
        raise ValueError(f"{root}: found {have:.1f} GB free; expected {need:.1f} GB for {name} and its "
                         "archives. PAPERLIB_DATA names another folder")


def fetch(urls: list[str], store: Path, md5: str) -> Path:
    """The file that all `urls` offer, in `store`, with the right checksum.

    Continues a .part file that is there.
    Errors: FileNotFoundError listing what each address said.
    """
    file = store / urls[0].rpartition("/")[2]
    if file.is_file() and _md5(file) == md5:
        return file
    part, said = file.with_name(file.name + ".part"), []
    for url in urls:
        error = _pull(url, part)
        if error is None:
            arrived = _md5(part)
            if arrived == md5:
                part.rename(file)
                return file
            error = f"md5 {arrived}, expected {md5}"
            part.unlink()                                  # nobody can say which bytes are wrong
        said.append(f"{url}: {error}")
    raise FileNotFoundError(f"{file.name}: no mirror gave the file ({'; '.join(said)}). Repeat the command "
                            f"to go on, or fetch it by hand into {store}")


def _pull(url: str, part: Path) -> str | None:
    """Append to `part` until it is complete; the last error when TRIES attempts in a row moved nothing."""
    error, left = None, TRIES
    while left:
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _stream(url, part, before):
                return None
            error = "the connection closed early"
        except urllib.error.HTTPError as problem:
            error = f"HTTP {problem.code}"
            if problem.code == 416 and before:             # nothing after what we have: the checksum decides
                return None
            if problem.code < 500:
                return error
        except (OSError, http.client.HTTPException) as problem:
            error = str(getattr(problem, "reason", problem)) or type(problem).__name__
        if part.is_file() and part.stat().st_size > before:
            left = TRIES                                   # it moved on: at once again
            continue
        left -= 1
        if left:
            time.sleep(0.2 * 4 ** (TRIES - left))
    return error


def _stream(url: str, part: Path, have: int) -> bool:
    """One request for the bytes from `have` on; whether the end was reached."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=60) as reply:
        if reply.status != 206:                            # the server sends the whole file again
            have = 0
        length = int(reply.headers.get("Content-Length", -1))
        bar = progress(total=have + length if length >= 0 else None, initial=have, unit="B", unit_scale=True,
                       desc=part.stem)
        with open(part, "ab" if have else "wb") as out, bar:
            while block := reply.read(CHUNK):
                out.write(block)
                bar.update(len(block))
        return length < 0 or part.stat().st_size == have + length


def _md5(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def unpack(file: Path, folder: Path, strip: int = 0) -> None:
    """Unpack a zip or tar archive, without its first `strip` folders; no member can leave `folder`.

    Errors: ValueError before more than GROWTH times the archive's own size is written; TarError for a member
        that is no plain file or would leave the folder.
    """
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:  # which never reads on beyond the size that a member states
            _fits(file, sum(member.file_size for member in archive.infolist()))
            for member in progress(archive.infolist(), desc=f"unpacking {file.name}", unit="file"):
                archive.extract(member, folder)
        return
    safe, total = {}, 0
    if hasattr(tarfile, "data_filter"):                    # not in Python 3.11.0 to 3.11.3
        safe["filter"] = "data"
    with tarfile.open(file) as archive:
        for member in progress(archive, desc=f"unpacking {file.name}", unit="file"):
            member.name = "/".join(member.name.strip("/").split("/")[strip:])
            if ".." in member.name.split("/") or not (member.isfile() or member.isdir()):
                problem = f"{member.name!r} is no plain file inside the archive's folder"
                raise tarfile.TarError(f"{file}: {problem}")
            total += member.size
            _fits(file, total)
            if member.name:
                archive.extract(member, folder, **safe)


def _fits(file: Path, total: int) -> None:
    size = file.stat().st_size
    if total > GROWTH * size:
        raise ValueError(f"{file}: found {total} bytes or more packed into {size}; expected at most {GROWTH} "
                         "times its size")

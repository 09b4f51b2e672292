"""The one parser of set names: "minicoco", "minicoco?stuff=0", "minicoco@minivoc", paths."""
import os
from dataclasses import dataclass, replace
from pathlib import Path

from paperlib.paths import data_folder

# drawn by `world.build`; mininet holds crops, without boxes
DRAWN = ("minicoco", "mininet", "minivoc")


@dataclass(frozen=True)
class SetName:
    """A set's name, taken apart; a name that is none of a drawn set may be that of a folder or a file.

    `path` is the name without its mix, as a path. Whether "photos/val" is a split or a path is for the disk
    to say: `base` and `split` hold the first reading, `path` the second. A path of several folders has no
    split. A "~" in front is the home folder.
    """

    base: str                                       # "minicoco", "coco2017", "photos/all/instances.json"
    dials: tuple[str, ...] = ()                     # of a drawn set: ("stuff=0", "clutter=0")
    mix: str = ""                                   # B of "A@B": set A with the categories that set B has
    split: str | None = None
    path: Path = Path()

    @classmethod
    def parse(cls, name: "str | Path | SetName") -> "SetName":
        """The parts of a name; one that is parsed already stays as it is."""
        if isinstance(name, SetName):
            return name
        front, mix = _without_mix(os.path.expanduser(str(name)))
        top, _, split = front.rpartition("/")
        if not top or not split or "/" in top:
            top, split = front, None
        base, question, dials = top.partition("?")
        if base not in DRAWN or not question:
            return cls(top, (), mix, split, Path(front))
        return cls(base, tuple(dials.split("&")), mix, split, Path(front))

    def __str__(self) -> str:
        if not self.mix:
            return str(self.path)
        return f"{self.path}@{self.mix}"

    @property
    def top(self) -> str:
        """The name without split and mix: "minicoco?stuff=0"."""
        if not self.dials:
            return self.base
        return f"{self.base}?{'&'.join(self.dials)}"

    @property
    def chain(self) -> "tuple[SetName, ...]":
        """The set itself without its mix, then the sets of the mix: A and B of "A@B"."""
        part, parts = self, []
        while part.mix:
            parts.append(replace(part, mix=""))
            part = SetName.parse(part.mix)
        return (*parts, part)

    @property
    def is_drawn(self) -> bool:
        """Whether only drawn sets are named, their dials turned or not, and no split."""
        return all(part.base in DRAWN and part.split is None for part in self.chain)


def _without_mix(name: str) -> tuple[str, str]:
    """("A", "B") of "A@B", and (name, "") of any other; a path that exists may hold "@"."""
    cuts = [i for i, letter in enumerate(name) if letter == "@" and 0 < i < len(name) - 1]
    if not cuts or _exists(Path(name)):
        return name, ""
    for cut in cuts:
        front = name[:cut]
        if front.partition("?")[0] in DRAWN or _exists(Path(front)) or _exists(data_folder() / front):
            return front, name[cut + 1:]
    return name[:cuts[0]], name[cuts[0] + 1:]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:                                 # a name longer than any file's
        return False

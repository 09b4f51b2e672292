"""Writing the drawn sets to disk: MiniNet in folders, MiniVOC in VOC's format, MiniCOCO in COCO's.

The annotations depend on the version of the drawings and on nothing else: not on the number of processes, not
on the day, not on the processor. Nor do the pictures, but for rounding: without a processor's fast
instructions 6 values in 79 million differed, by 1.
"""
import os
from pathlib import Path

from paperlib.world.drawn_sets import counts_of, version, world_of
from paperlib.world.set_names import SetName
from paperlib.world.write_coco import write_minicoco
from paperlib.world.write_folder import write_mininet
from paperlib.world.write_voc import write_minivoc


def build(name: str, folder: str | Path, jobs: int | None = None,
          counts: dict[str, int] | None = None) -> None:
    """Draw the set `name` into `folder`, in `jobs` processes (default: one a core); `counts` images a split.

    Errors: KeyError for an unknown set, dial or split.
    """
    world_of(name)
    counts = counts_of(name) if counts is None else counts
    if unknown := set(counts) - set(counts_of(name)):
        raise KeyError(f"{name} has no split {sorted(unknown)}; it has {', '.join(counts_of(name))}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    WRITERS[SetName.parse(name).base](name, folder, counts, jobs or os.cpu_count() or 1)
    (folder / "version").write_text(version(name) + "\n")


WRITERS = {"mininet": write_mininet, "minivoc": write_minivoc, "minicoco": write_minicoco}

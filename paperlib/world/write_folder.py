"""MiniNet on disk: a folder of portraits for each class."""
from pathlib import Path

from paperlib.world.catalogue import CATEGORIES
from paperlib.world.drawn_sets import seed_of, world_of
from paperlib.world.world import compose
from paperlib.world.write_pictures import draw_pictures, save


def _net_one(name: str, split: str, k: int, folder: Path) -> None:
    """Draw one portrait: <split>/<class>/<number>.jpg."""
    label = k % world_of(name).categories
    drawing = compose(world_of(name), seed_of(name, split, k), label + 1)
    save(folder / split / CATEGORIES[label].name / f"{k:06d}.jpg", drawing.image)


def write_mininet(name: str, folder: Path, counts: dict[str, int], jobs: int) -> None:
    """Draw MiniNet into a folder: one folder of portraits for each split and class."""
    for split in counts:
        for category in CATEGORIES:
            (folder / split / category.name).mkdir(parents=True, exist_ok=True)
    for _ in draw_pictures(_net_one, name, counts, jobs, folder):
        pass

"""How well somebody did at COCO's annotation tasks: what the interfaces of `annotation_widgets` say at the end."""
import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.studies.annotation import simulated_workers


def labelling_score(named: set, truth: set, found: simulated_workers.Presence) -> str:
    """What was right, wrong and missed, beside what simulated workers do on the same picture."""
    rng = np.random.default_rng(0)
    crew = simulated_workers.hire(simulated_workers.WORKERS, 8 * 50, rng)
    lots = simulated_workers.name_categories(found, simulated_workers.WORKERS, crew, rng, np.zeros(found.there.shape))
    one = simulated_workers.recall_precision(lots, found.there[..., None] & np.ones_like(lots))
    eight = lots.reshape(*found.there.shape, 50, 8).any(-1)
    eight = simulated_workers.recall_precision(eight, found.there[..., None] & np.ones_like(eight))
    mine = len(named & truth) / max(len(truth), 1), len(named & truth) / max(len(named), 1)
    rows = (("you", mine), ("a simulated worker", one), ("the union of eight", eight))
    return (f"<p>right: {_listed(named & truth)}; wrong: {_listed(named - truth)}; missed: {_listed(truth - named)}</p>"
            "<table><tr><th></th><th>recall</th><th>precision</th></tr>" + "".join(
                f"<tr><td>{who}</td><td>{r:.2f}</td><td>{p:.2f}</td></tr>" for who, (r, p) in rows) + "</table>")


def cell_truth(dataset: DetectionSet, i: int, label: int, cells: int) -> np.ndarray:
    """Which cells of a grid each single object of the category touches, largest object first; (G, cells^2) bool."""
    target = dataset.target(i, masks=True)
    own = (target["labels"] == label) & ~target["crowd"]
    masks = target["masks"][own].numpy()
    masks = masks[np.argsort(-masks.sum((1, 2)), kind="stable")]
    ys, xs = (np.arange(n) * cells // n for n in masks.shape[1:])
    touched = np.zeros((len(masks), cells * cells), bool)
    for row, mask in zip(touched, masks):
        y, x = mask.nonzero()
        share = np.bincount(ys[y] * cells + xs[x], minlength=cells * cells)
        row[share >= min(4, share.max(initial=1))] = True
    return touched


def spotting_score(truth: np.ndarray, crosses: list[int]) -> tuple[int, int, int]:
    """(objects found, crosses on an object that has one, crosses on none); a cross counts for one object at most."""
    free, hit, doubled, wrong = np.ones(len(truth), bool), 0, 0, 0
    for cell in crosses:
        under = truth[:, cell] if len(truth) else np.zeros(0, bool)
        if (under & free).any():
            free[np.flatnonzero(under & free)[-1]] = False       # the smallest: it lies in front of what it overlaps
            hit += 1
        elif under.any():
            doubled += 1
        else:
            wrong += 1
    return hit, doubled, wrong


def parse_corners(text: str) -> list[tuple[float, float]]:
    """The corners in "x,y x,y ...". Errors: ValueError naming the corner that is not two numbers."""
    points = []
    for n, part in enumerate(text.split(), 1):
        try:
            px, py = map(float, part.split(","))
        except ValueError:
            raise ValueError(f"corner {n} is {part!r}; expected two numbers with a comma, such as 31.5,40") from None
        points.append((px, py))
    return points


def _listed(names: set) -> str:
    return ", ".join(sorted(names)) or "nothing"

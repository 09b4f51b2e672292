"""How well somebody did at COCO's annotation tasks: what the interfaces of `tasks` say at the end."""
import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.studies.annotation import simulated_workers

SCORE = """\
<p>right: {right}; wrong: {wrong}; missed: {missed}</p>
<table><tr><th></th><th>recall</th><th>precision</th></tr>
<tr><td>you</td><td>{you[0]:.2f}</td><td>{you[1]:.2f}</td></tr>
<tr><td>a simulated worker</td><td>{one[0]:.2f}</td><td>{one[1]:.2f}</td></tr>
<tr><td>the union of eight</td><td>{eight[0]:.2f}</td><td>{eight[1]:.2f}</td></tr></table>
"""


def labelling_score(named: set, truth: set, presence: simulated_workers.Presence) -> str:
    """What was right, wrong and missed, beside what simulated workers do on the same picture."""
    right = named & truth
    one, eight = _simulated(presence)
    return SCORE.format(
        right=_listed(right),
        wrong=_listed(named - truth),
        missed=_listed(truth - named),
        you=(len(right) / max(len(truth), 1), len(right) / max(len(named), 1)),
        one=one,
        eight=eight,
    )


def _simulated(presence: simulated_workers.Presence, crews: int = 50) -> tuple[tuple, tuple]:
    """(recall, precision) of one simulated worker, and of the union of eight."""
    rng, truth = np.random.default_rng(0), presence.there[..., None]
    crew = simulated_workers.hire(simulated_workers.WORKERS, 8 * crews, rng)
    doubt = np.zeros(presence.there.shape)
    named = simulated_workers.name_categories(presence, simulated_workers.WORKERS, crew, rng, doubt)
    unions = named.reshape(*presence.there.shape, crews, 8).any(-1)
    scores = []
    for answers in (named, unions):
        every_truth = np.broadcast_to(truth, answers.shape)
        scores.append(simulated_workers.recall_precision(answers, every_truth))
    return tuple(scores)


def cell_truth(dataset: DetectionSet, i: int, label: int, cells: int) -> np.ndarray:
    """Which cells of a grid each single object of the category touches, largest first; (G, cells^2) bool."""
    target = dataset.target(i, masks=True)
    single = (target["labels"] == label) & ~target["crowd"]
    masks = target["masks"][single].numpy()
    masks = masks[np.argsort(-masks.sum((1, 2)), kind="stable")]
    _, height, width = masks.shape
    ys = np.arange(height) * cells // height  # the row of cells that each row of pixels lies in
    xs = np.arange(width) * cells // width
    touched = np.zeros((len(masks), cells * cells), bool)
    for row, mask in zip(touched, masks):
        y, x = mask.nonzero()
        share = np.bincount(ys[y] * cells + xs[x], minlength=cells * cells)
        row[share >= min(4, share.max(initial=1))] = True
    return touched


def spotting_score(truth: np.ndarray, crosses: list[int]) -> tuple[int, int, int]:
    """(objects with a cross, crosses on an object that has one already, crosses on none).

    A cross counts for one object at most.
    """
    free, hit, doubled, wrong = np.ones(len(truth), bool), 0, 0, 0
    for cell in crosses:
        under = np.flatnonzero(truth[:, cell])
        unmarked = under[free[under]]
        if unmarked.size:
            free[unmarked[-1]] = False  # the smallest: it lies in front of what it overlaps
            hit += 1
        elif under.size:
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
            raise ValueError(
                f"corner {n} is {part!r}; expected two numbers with a comma, such as 31.5,40") from None
        points.append((px, py))
    return points


def _listed(names: set) -> str:
    return ", ".join(sorted(names)) or "nothing"

"""The drawings: in their frame, on the ground, with exact masks; told apart by shape and not by colour."""
import time

import cv2
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from paperlib.world.catalogue import CATEGORIES, SUPERCATEGORIES, contact_sheet, fitted, render

VOC = ["aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
       "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"]
NAMES = [category.name for category in CATEGORIES]


def _square(size: float, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    return np.array(((size, 0, x), (0, size, y)), np.float32)


def test_catalogue():
    assert NAMES[:20] == VOC and len(NAMES) == len(set(NAMES)) == 36
    assert {category.supercategory for category in CATEGORIES} == set(SUPERCATEGORIES)


@pytest.mark.parametrize("category", CATEGORIES, ids=NAMES)
def test_every_pose_stands_on_the_ground_inside_its_frame(category):
    for pose in dict.fromkeys(category.poses):
        for seed in range(8):
            parts = category.draw(np.random.default_rng(seed), pose)
            points = np.concatenate([part.points for part in parts])
            assert points.dtype == np.float32 and points.shape[1] == 2
            assert points.min() >= -1e-4 and points.max() <= 1 + 1e-4
            assert points[:, 1].max() == pytest.approx(1, abs=1e-4)     # flying things, too: a scene lifts them
            assert all(part.kind in ("fill", "line") and len(part.colour) == 3 for part in parts)
            assert all(0 <= c <= 255 for part in parts for c in part.colour)


@pytest.mark.parametrize("category", CATEGORIES, ids=NAMES)
def test_typical_height_and_aspect_are_those_of_the_drawings(category):
    """Scenes scale by `span`, the metres of a frame side: the median drawing is about as tall and wide as stated."""
    sizes = []
    for seed in range(40):
        points = np.concatenate([part.points for part in category.draw(np.random.default_rng(seed))])
        sizes.append(np.ptp(points, axis=0))
    width, height = np.median(sizes, axis=0) * category.span
    assert 0.75 <= height / category.height <= 1.2
    assert 0.7 <= width / (category.height * category.aspect) <= 1.35


def test_same_seed_same_drawing_and_other_seed_another():
    for category in CATEGORIES:
        one, two, other = (category.draw(np.random.default_rng(seed)) for seed in (3, 3, 4))
        assert all(np.array_equal(a.points, b.points) and a.colour == b.colour for a, b in zip(one, two, strict=True))
        assert len(one) != len(other) or any(not np.array_equal(a.points, b.points) for a, b in zip(one, other))


def test_unknown_pose_is_refused():
    with pytest.raises(ValueError, match="car has no pose 'sitting'"):
        CATEGORIES[NAMES.index("car")].draw(np.random.default_rng(0), "sitting")


@pytest.mark.parametrize("size", [8, 20, 60])
def test_mask_is_where_the_drawing_covers_half_of_a_pixel(size):
    """Coverage is read off from how much of a black and of a white background shows through, then compared."""
    for seed, category in enumerate(CATEGORIES):
        parts = category.draw(np.random.default_rng(seed))
        black, white = np.zeros((80, 70, 3), np.uint8), np.full((80, 70, 3), 255, np.uint8)
        mask, again = render(black, parts, _square(size, 4.3, 6.7)), render(white, parts, _square(size, 4.3, 6.7))
        cover = 1 - (white.astype(float) - black).mean(2) / 255
        assert np.array_equal(mask, again) and mask.any()
        assert mask[cover > 0.55].all() and not mask[cover < 0.45].any()


def test_nothing_is_drawn_outside_the_frame_of_the_object():
    for seed, category in enumerate(CATEGORIES):
        parts = category.draw(np.random.default_rng(seed))
        mask = render(np.zeros((60, 60, 3), np.uint8), parts, _square(40, 10, 10))
        rows, columns = np.nonzero(mask)
        assert rows.min() >= 8 and rows.max() <= 51 and columns.min() >= 8 and columns.max() <= 51
        assert rows.max() >= 48


def test_drawing_is_cut_by_the_image_and_may_miss_it():
    parts = CATEGORIES[0].draw(np.random.default_rng(0))
    image, large = np.zeros((30, 30, 3), np.uint8), np.zeros((90, 90, 3), np.uint8)
    part, whole = render(image, parts, _square(40, -20, -20)), render(large, parts, _square(40, 10, 10))
    assert (part != whole[30:60, 30:60]).sum() <= 4                     # the border may round a slanted edge otherwise
    assert abs(image.astype(int) - large[30:60, 30:60]).mean() < 1
    untouched = np.full((30, 30, 3), 7, np.uint8)
    assert not render(untouched, parts, _square(20, 200, 5)).any() and (untouched == 7).all()


def test_shade_darkens():
    parts = CATEGORIES[3].draw(np.random.default_rng(1))
    light, dark = np.zeros((40, 40, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)
    mask = render(light, parts, _square(36, 2, 2))
    assert np.array_equal(mask, render(dark, parts, _square(36, 2, 2), shade=0.5))
    assert dark[mask].mean() == pytest.approx(light[mask].mean() / 2, abs=1.5)


def _views(count: int, seed: int):
    """Per drawing: its colours (mean, spread, histogram), its edges in place, its edges anywhere."""
    colours, placed, anywhere, labels = [], [], [], []
    for label, category in enumerate(CATEGORIES):
        rng = np.random.default_rng((seed, label))
        for _ in range(count):
            parts, image = category.draw(rng), np.full((36, 36, 3), rng.integers(60, 200), np.uint8)
            mask = render(image, parts, fitted(parts, (2, 2, 34, 34)))
            pixels = image[mask]
            bins = np.histogramdd(pixels, bins=(4, 4, 4), range=((0, 256),) * 3)[0].ravel() / len(pixels)
            colours.append(np.concatenate([pixels.mean(0) / 255, pixels.std(0) / 255, bins]))
            grey = image.mean(2)
            dx, dy = cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1)
            edges = np.stack([abs(dx), abs(dy), abs(dx + dy) / 1.4, abs(dx - dy) / 1.4]) / (1 + np.hypot(dx, dy).max())
            cells = edges.reshape(4, 9, 4, 9, 4).mean((2, 4)).reshape(4, 81)
            placed.append(cells.ravel())
            anywhere.append(np.concatenate([cells.mean(1), cells.max(1), cells.std(1)]))
            labels.append(label)
    return np.array(colours), np.array(placed), np.array(anywhere), np.array(labels)


def _accuracy(train, train_labels, test, test_labels) -> float:
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(C=0.1, max_iter=300).fit(scaler.transform(train), train_labels)
    return model.score(scaler.transform(test), test_labels)


def test_the_arrangement_names_a_drawing_and_not_colour_nor_the_parts_alone():
    *train, labels = _views(30, 0)
    *test, labels_test = _views(15, 1)
    colour, placed, anywhere = (_accuracy(a, labels, b, labels_test) for a, b in zip(train, test))
    print(f"36 categories: colour {colour:.1%}, edges in place {placed:.1%}, anywhere {anywhere:.1%}, chance 2.8%")
    assert colour < 0.15 and placed > 4 * colour and placed > 1.6 * anywhere


def test_thin_and_ring_like_shapes_leave_most_of_their_box_empty():
    for name, most in (("bicycle", 0.6), ("giraffe", 0.5), ("chair", 0.65), ("kite", 0.5), ("bench", 0.65)):
        filled = []
        for seed in range(20):
            parts = CATEGORIES[NAMES.index(name)].draw(np.random.default_rng(seed))
            mask = render(np.zeros((60, 60, 3), np.uint8), parts, _square(56, 2, 2))
            rows, columns = np.nonzero(mask)
            filled.append(mask.sum() / (np.ptp(rows) + 1) / (np.ptp(columns) + 1))
        assert np.median(filled) < most, (name, np.median(filled))


def test_contact_sheet_and_speed():
    start = time.perf_counter()
    sheet = contact_sheet(40, 4, seed=5, columns=2)
    each = (time.perf_counter() - start) / (4 * len(CATEGORIES))
    print(f"a drawing of 40 pixels, drawn and rendered: {each * 1e6:.0f} us")
    assert sheet.shape == (18 * 45, 8 * 45, 3) and each < 0.005
    assert np.array_equal(sheet, contact_sheet(40, 4, seed=5, columns=2))

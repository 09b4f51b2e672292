"""Scenes: which things live together, where they stand, how large they look there, and what is painted behind them.

A scene is data. Its `layers` name painters of `stuff.py` and are painted in order; its `zones` say where feet may
stand; its `things` say how often a category is there, in which zone, and how sociable it is (a factor on the mean
number together).
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Zone:
    """A strip of the image where things may stand (or hang and fly, if `floats`).

    Units: top, bottom are fractions of the image; far and near px per metre of a 128 px image, at top and bottom.
    """
    top: float
    bottom: float
    far: float
    near: float
    floats: bool = False


@dataclass(frozen=True)
class Scene:
    name: str
    where: str                                      # how a caption says it
    weight: float
    layers: tuple[tuple, ...]                       # (painter, its arguments after image and rng)
    zones: dict[str, Zone]
    things: dict[str, tuple[float, str, float]]     # category: (weight, zone, sociability)
    rows: tuple[float, float] = (0.45, 1.0)         # where printed cloth, murals and beds of plants may lie


AIR = Zone(0.08, 0.5, 4, 60, floats=True)
WALL = Zone(0.12, 0.42, 26, 90, floats=True)
SKY, GRASS, LEAVES = (0, 0.46), (126, 156, 84), (88, 122, 70)

OUTDOORS = (
    Scene("street", "on a city street", 1.5, (
        ("sky", SKY), ("buildings", (0.02, 0.48)), ("ground", (0.46, 0.58), (150, 146, 140), (168, 162, 154)),
        ("bricks", (0.48, 0.58), (138, 132, 126), 0.08, 0.04),
        ("ground", (0.58, 1), (122, 122, 126), (106, 106, 110), 5),
        ("strokes", (0.66, 0.7), (222, 220, 206), 5, 0.12, 0, 2)), {
        "road": Zone(0.53, 1.1, 4, 64), "walk": Zone(0.49, 1.06, 4.5, 72), "air": AIR,
        "pole": Zone(0.47, 0.92, 5, 48)}, {
        "person": (5, "walk", 1.5), "car": (4, "road", 1.4), "bus": (1.6, "road", 0.6), "bicycle": (1.4, "road", 0.8),
        "motorbike": (1.6, "road", 0.8), "traffic light": (2.4, "pole", 0.9), "bench": (1, "walk", 0.7),
        "dog": (0.7, "walk", 0.6),
        "umbrella": (0.8, "walk", 0.8), "backpack": (0.9, "walk", 0.6), "bird": (0.5, "air", 1.1),
        "clock": (0.4, "pole", 0.4)},
        rows=(0.05, 0.6)),
    Scene("station", "at a railway station", 0.7, (
        ("sky", (0, 0.4)), ("buildings", (0.1, 0.42), 0.7), ("ground", (0.4, 0.62), (134, 124, 116), (118, 108, 102),
        14, (20, 40)),
        ("strokes", (0.46, 0.62), (84, 70, 62), 40, 0.09), ("ground", (0.62, 1), (178, 172, 164), (160, 154, 148), 5),
        ("bricks", (0.62, 1), (148, 142, 136), 0.14, 0.08, 0)), {
        "track": Zone(0.5, 0.7, 6, 34), "walk": Zone(0.58, 1.08, 9, 72), "pole": Zone(0.3, 0.5, 16, 40, floats=True)}, {
        "train": (5, "track", 0.5), "person": (5, "walk", 1.6), "bench": (1.6, "walk", 0.8),
        "backpack": (2.2, "walk", 0.9),
        "clock": (1.3, "pole", 0.5), "bicycle": (0.7, "walk", 0.7), "traffic light": (1, "walk", 0.6),
        "bird": (0.6, "walk", 1.2),
        "umbrella": (0.6, "walk", 0.7), "bottle": (0.3, "walk", 0.6)}, rows=(0.1, 1.0)),
    Scene("field", "in a field on a farm", 1.0, (
        ("sky", SKY), ("hills", (0.3, 0.46), (122, 146, 112)), ("ground", (0.44, 1), (150, 168, 96), GRASS, 9),
        ("strokes", (0.5, 1), (106, 140, 66), 90, 0.035, 0.9)), {
        "meadow": Zone(0.47, 1.08, 4, 64), "air": AIR}, {
        "cow": (4, "meadow", 1.8), "sheep": (4, "meadow", 2.2), "horse": (3, "meadow", 1.3),
        "person": (2, "meadow", 0.8),
        "dog": (1, "meadow", 0.7), "bird": (1.6, "air", 1.5), "aeroplane": (0.3, "air", 0.5),
        "cat": (0.3, "meadow", 0.6)}),
    Scene("savannah", "on a dry savannah", 0.7, (
        ("sky", SKY, (146, 178, 212), (230, 220, 192)), ("trees", (0.28, 0.48), 3, (118, 122, 64)),
        ("ground", (0.46, 1), (206, 184, 122), (186, 152, 92), 10),
        ("strokes", (0.5, 1), (160, 126, 66), 70, 0.04, 0.8)), {
        "plain": Zone(0.48, 1.06, 2.4, 38), "air": AIR}, {
        "elephant": (4, "plain", 1.4), "giraffe": (4, "plain", 1.4), "bird": (2, "air", 1.5),
        "person": (0.8, "plain", 0.8),
        "car": (0.8, "plain", 0.6), "cow": (1.2, "plain", 1.4), "horse": (0.6, "plain", 1.0)}),
    Scene("lake", "on the water", 0.9, (
        ("sky", SKY), ("hills", (0.32, 0.46), (110, 126, 130)),
        ("ground", (0.44, 1), (142, 176, 196), (74, 116, 152), 8, (40, 6)),
        ("strokes", (0.47, 1), (196, 214, 224), 70, 0.05)), {
        "water": Zone(0.48, 1.04, 2, 34), "shore": Zone(0.9, 1.12, 30, 66), "air": AIR}, {
        "boat": (6, "water", 1.6), "bird": (3, "air", 1.6), "person": (2.2, "shore", 1.0),
        "aeroplane": (0.4, "air", 0.5),
        "dog": (0.6, "shore", 0.6), "umbrella": (0.6, "shore", 0.7), "bench": (0.6, "shore", 0.6)}, rows=(0.5, 1.0)),
    Scene("beach", "on the beach", 0.8, (
        ("sky", (0, 0.36)), ("ground", (0.34, 0.52), (110, 158, 186), (146, 192, 202), 6, (30, 6)),
        ("strokes", (0.36, 0.54), (226, 234, 236), 30, 0.07), ("ground", (0.52, 1), (228, 208, 160), (214, 188, 136),
        9)), {
        "sand": Zone(0.53, 1.08, 5, 72), "sea": Zone(0.38, 0.52, 3, 7), "air": AIR}, {
        "person": (5, "sand", 1.7), "umbrella": (3, "sand", 1.3), "kite": (2, "air", 0.9),
        "sports ball": (2.4, "sand", 0.8),
        "boat": (1.8, "sea", 1.4), "bird": (1.2, "air", 1.5), "dog": (1.2, "sand", 0.7), "chair": (1.3, "sand", 1.1),
        "bottle": (0.8, "sand", 0.8), "backpack": (0.8, "sand", 0.6)}, rows=(0.55, 1.0)),
    Scene("sky", "in the open sky", 0.45, (("sky", (0, 1)), ("hills", (0.88, 1.0), (126, 140, 136))), {
        "air": Zone(0.1, 0.92, 6, 90, floats=True), "high": Zone(0.1, 0.8, 0.8, 9, floats=True)}, {
        "aeroplane": (5, "high", 0.8), "bird": (4, "air", 2.4), "kite": (4, "air", 1.1)}, rows=(0.5, 1.0)),
    Scene("park", "in the park", 1.0, (
        ("sky", (0, 0.42)), ("trees", (0.04, 0.5), 6, LEAVES), ("ground", (0.46, 1), (134, 164, 96), (112, 146, 76), 9),
        ("ground", (0.62, 0.74), (206, 194, 164), (196, 182, 150), 5),
        ("strokes", (0.76, 1), (92, 128, 60), 50, 0.035, 0.9)), {
        "lawn": Zone(0.49, 1.08, 4.5, 72), "air": AIR}, {
        "person": (5, "lawn", 1.5), "dog": (2.6, "lawn", 0.9), "bench": (2, "lawn", 0.8), "bicycle": (1.8, "lawn", 0.8),
        "sports ball": (2.4, "lawn", 0.7), "kite": (1.8, "air", 0.8), "bird": (2, "lawn", 1.6),
        "umbrella": (0.8, "lawn", 0.8),
        "pottedplant": (0.8, "lawn", 1.1), "horse": (0.5, "lawn", 0.7), "backpack": (0.8, "lawn", 0.6),
        "bottle": (0.4, "lawn", 0.6)}),
)

INDOORS = (
    Scene("kitchen", "in a kitchen", 1.2, (
        ("ground", (0, 0.8), (226, 216, 196), (210, 200, 180), 4),
        ("bricks", (0.2, 0.52), (196, 186, 168), 0.07, 0.07, 0),
        ("spines", (0.04, 0.16), 0.05, 0.6), ("panel", (0.52, 0.8), 0, 1, (176, 134, 96), (110, 78, 54), 1, 5),
        ("panel", (0.5, 0.55), 0, 1, (196, 190, 182)), ("ground", (0.8, 1), (150, 128, 110), (132, 110, 92), 4),
        ("bricks", (0.8, 1), (116, 94, 80), 0.16, 0.08, 0)), {
        "top": Zone(0.5, 0.57, 40, 120), "floor": Zone(0.78, 1.08, 26, 76), "wall": WALL}, {
        "bottle": (3, "top", 1.4), "cup": (3, "top", 1.5), "apple": (2.6, "top", 2.0), "microwave": (3, "top", 0.3),
        "refrigerator": (3, "floor", 0.3), "diningtable": (1.2, "floor", 0.3), "chair": (1.4, "floor", 0.8),
        "pizza": (1.4, "top", 0.8),
        "person": (2.4, "floor", 0.7), "cat": (0.8, "floor", 0.6), "pottedplant": (0.7, "top", 0.7),
        "clock": (0.9, "wall", 0.3),
        "vase": (0.6, "top", 0.7), "dog": (0.5, "floor", 0.5)}, (0.02, 0.5)),
    Scene("dining room", "at a dining table", 1.0, (
        ("ground", (0, 0.6), (190, 170, 160), (204, 186, 172), 4),
        ("panel", (0.05, 0.36), 0.55, 0.85, (186, 210, 226), (236, 230, 220), 2, 2),
        ("ground", (0.6, 1), (156, 112, 80), (178, 132, 96), 5), ("bricks", (0.6, 1), (130, 90, 62), 0.5, 0.07)), {
        "table": Zone(0.8, 1.0, 40, 130), "floor": Zone(0.64, 1.1, 28, 92), "wall": WALL}, {
        "diningtable": (3, "floor", 0.3), "chair": (4, "floor", 1.5), "cup": (3, "table", 1.6),
        "bottle": (2.2, "table", 1.1),
        "pizza": (3, "table", 1.0), "vase": (2.4, "table", 0.7), "person": (3, "floor", 1.0),
        "apple": (1.5, "table", 1.7),
        "pottedplant": (0.8, "floor", 0.6), "clock": (0.6, "wall", 0.3), "cat": (0.5, "floor", 0.5)}),
    Scene("living room", "in a living room", 1.3, (
        ("ground", (0, 0.6), (206, 198, 210), (190, 182, 196), 4),
        ("panel", (0.08, 0.4), 0.08, 0.34, (190, 214, 230), (240, 236, 228), 2, 2), ("spines", (0.16, 0.3), 0.62, 0.96),
        ("spines", (0.34, 0.46), 0.62, 0.96), ("ground", (0.6, 1), (170, 136, 104), (150, 116, 86), 4),
        ("bricks", (0.6, 1), (128, 96, 70), 0.6, 0.06)), {
        "floor": Zone(0.62, 1.1, 20, 76), "shelf": Zone(0.46, 0.56, 36, 120), "wall": WALL}, {
        "sofa": (4.4, "floor", 0.5), "tvmonitor": (3, "shelf", 0.5), "chair": (2, "floor", 0.9),
        "pottedplant": (2.2, "floor", 1.0),
        "cat": (2.4, "floor", 0.9), "dog": (1.6, "floor", 0.7), "person": (3, "floor", 0.9),
        "vase": (2.2, "shelf", 1.0),
        "clock": (2, "wall", 0.4), "laptop": (0.8, "floor", 0.5), "diningtable": (1, "floor", 0.3),
        "bottle": (0.6, "shelf", 0.8),
        "cup": (0.7, "shelf", 0.8), "sports ball": (0.5, "floor", 0.5)}, (0.1, 1.0)),
    Scene("office", "in an office", 1.1, (
        ("ground", (0, 0.62), (196, 206, 212), (184, 194, 200), 3),
        ("panel", (0.06, 0.34), 0.5, 0.95, (168, 200, 222), (120, 126, 134), 1, 4),
        ("ground", (0.62, 1), (116, 124, 134), (100, 106, 116), 9, (60, 60)),
        ("panel", (0.5, 0.56), 0, 1, (200, 182, 150)),
        ("panel", (0.56, 0.7), 0.02, 0.2, (150, 136, 114), (90, 80, 66), 3, 1),
        ("panel", (0.56, 0.7), 0.7, 0.9, (150, 136, 114), (90, 80, 66), 3, 1)), {
        "desk": Zone(0.5, 0.57, 36, 120), "floor": Zone(0.66, 1.1, 24, 80), "wall": WALL}, {
        "tvmonitor": (3.4, "desk", 1.0), "laptop": (4, "desk", 1.1), "chair": (2.8, "floor", 1.1),
        "person": (3, "floor", 1.0),
        "cup": (2.4, "desk", 1.2), "clock": (1.4, "wall", 0.3), "pottedplant": (1.2, "floor", 0.7),
        "backpack": (1.6, "floor", 0.6),
        "bottle": (1, "desk", 0.7), "apple": (0.5, "desk", 0.7), "vase": (0.5, "desk", 0.5),
        "microwave": (0.6, "desk", 0.3),
        "refrigerator": (0.5, "floor", 0.3)}, (0.02, 0.5)),
)

SCENES = OUTDOORS + INDOORS

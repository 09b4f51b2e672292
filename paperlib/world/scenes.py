"""Scenes: which things live together, where they stand, how large they look, and what is behind them.

A scene is data. Its `layers` name painters of `backgrounds.py` and are painted in order; its `zones` say
where feet may stand; its `things` say how often a category is there, in which zone, and how sociable it is (a
factor on the mean number together).
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Zone:
    """A strip of the image where things may stand (or hang and fly, if `floats`).

    Units: top, bottom are fractions of the image; far and near px per metre of a 128 px image, at top and
            bottom.
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
        "car": (5, "road", 1.8), "person": (3, "walk", 1.5), "bus": (2.2, "road", 0.6),
        "motorbike": (2.6, "road", 0.9),
        "traffic light": (3.4, "pole", 1.0), "bicycle": (0.6, "road", 0.8), "umbrella": (0.3, "walk", 0.8),
        "bench": (0.2, "walk", 0.6), "bird": (0.2, "air", 1.0), "dog": (0.2, "walk", 0.6)}),
    Scene("station", "at a railway station", 0.7, (
        ("sky", (0, 0.4)), ("buildings", (0.1, 0.42), 0.7),
        ("ground", (0.4, 0.62), (134, 124, 116), (118, 108, 102), 14, (20, 40)),
        ("strokes", (0.46, 0.62), (84, 70, 62), 40, 0.09),
        ("ground", (0.62, 1), (178, 172, 164), (160, 154, 148), 5),
        ("bricks", (0.62, 1), (148, 142, 136), 0.14, 0.08, 0)), {
        "track": Zone(0.5, 0.7, 6, 34), "walk": Zone(0.58, 1.08, 9, 72),
        "pole": Zone(0.3, 0.5, 16, 40, floats=True)}, {
        "train": (5, "track", 0.5), "person": (3.4, "walk", 1.6), "backpack": (4.4, "walk", 1.5),
        "bench": (1, "walk", 0.8),
        "clock": (1.4, "pole", 0.6), "bicycle": (0.3, "walk", 0.7)}),
    Scene("field", "in a field on a farm", 1.0, (
        ("sky", SKY), ("hills", (0.3, 0.46), (122, 146, 112)),
        ("ground", (0.44, 1), (150, 168, 96), GRASS, 9),
        ("strokes", (0.5, 1), (106, 140, 66), 90, 0.035, 0.9)), {
        "meadow": Zone(0.47, 1.08, 4, 64), "air": AIR}, {
        "cow": (5, "meadow", 2.2), "horse": (4, "meadow", 1.0), "person": (1, "meadow", 0.8),
        "dog": (0.2, "meadow", 0.6),
        "bird": (0.2, "air", 1.0), "cat": (0.2, "meadow", 0.6)}),
    Scene("hillside", "on a green hillside", 0.7, (
        ("sky", (0, 0.34)), ("ground", (0.32, 1), (92, 148, 96), (70, 126, 76), 9),
        ("hills", (0.22, 0.36), (84, 138, 96)),
        ("bricks", (0.4, 0.44), (132, 132, 130), 0.03, 0.02),
        ("strokes", (0.46, 1), (58, 108, 62), 70, 0.03, 0.9)), {
        "slope": Zone(0.36, 1.08, 4, 66), "air": Zone(0.05, 0.32, 4, 50, floats=True)}, {
        "sheep": (6, "slope", 2.3), "dog": (2, "slope", 0.7), "person": (1.2, "slope", 0.8),
        "bird": (0.3, "air", 1.0), "horse": (0.6, "slope", 1.0)}),
    Scene("savannah", "on a dry savannah", 0.7, (
        ("sky", SKY, (146, 178, 212), (230, 220, 192)), ("trees", (0.28, 0.48), 3, (118, 122, 64)),
        ("ground", (0.46, 1), (206, 184, 122), (186, 152, 92), 10),
        ("strokes", (0.5, 1), (160, 126, 66), 70, 0.04, 0.8)), {
        "plain": Zone(0.48, 1.06, 2.4, 38), "air": AIR}, {
        "elephant": (4, "plain", 1.5), "giraffe": (4, "plain", 1.4), "bird": (0.3, "air", 1.0),
        "car": (0.4, "plain", 0.6),
        "person": (0.4, "plain", 0.8)}),
    Scene("lake", "on the water", 0.9, (
        ("sky", SKY), ("hills", (0.32, 0.46), (110, 126, 130)),
        ("ground", (0.44, 1), (142, 176, 196), (74, 116, 152), 8, (40, 6)),
        ("strokes", (0.47, 1), (196, 214, 224), 70, 0.05)), {
        "water": Zone(0.48, 1.04, 2, 34), "shore": Zone(0.9, 1.12, 30, 66), "air": AIR}, {
        "boat": (6, "water", 1.8), "bird": (2, "air", 1.6), "person": (2, "shore", 1.0),
        "bench": (0.4, "shore", 0.6), "dog": (0.3, "shore", 0.6)}),
    Scene("beach", "on the beach", 0.8, (
        ("sky", (0, 0.36)), ("ground", (0.34, 0.52), (110, 158, 186), (146, 192, 202), 6, (30, 6)),
        ("strokes", (0.36, 0.54), (226, 234, 236), 30, 0.07),
        ("ground", (0.52, 1), (228, 208, 160), (214, 188, 136), 9)), {
        "sand": Zone(0.53, 1.08, 5, 72), "sea": Zone(0.38, 0.52, 3, 7), "air": AIR}, {
        "person": (3, "sand", 1.5), "umbrella": (4.4, "sand", 1.3), "sports ball": (4, "sand", 1.3),
        "kite": (3, "air", 1.4),
        "chair": (1, "sand", 1.0), "boat": (0.4, "sea", 1.2), "dog": (0.3, "sand", 0.7)}),
    Scene("sky", "in the open sky", 0.45, (("sky", (0, 1)), ("hills", (0.88, 1.0), (126, 140, 136))), {
        "air": Zone(0.1, 0.92, 6, 90, floats=True), "high": Zone(0.1, 0.8, 0.8, 9, floats=True)}, {
        "aeroplane": (6, "high", 1.6), "bird": (1.2, "air", 1.6), "kite": (0.6, "air", 1.0)}),
    Scene("park", "in the park", 1.0, (
        ("sky", (0, 0.42)), ("trees", (0.04, 0.5), 6, LEAVES),
        ("ground", (0.46, 1), (134, 164, 96), (112, 146, 76), 9),
        ("ground", (0.62, 0.74), (206, 194, 164), (196, 182, 150), 5),
        ("strokes", (0.76, 1), (92, 128, 60), 50, 0.035, 0.9)), {
        "lawn": Zone(0.49, 1.08, 4.5, 72), "air": AIR}, {
        "person": (3.4, "lawn", 1.5), "dog": (3, "lawn", 1.1), "bench": (3, "lawn", 1.0),
        "bicycle": (3.6, "lawn", 1.0),
        "bird": (0.7, "lawn", 1.5), "sports ball": (0.3, "lawn", 0.7), "kite": (0.3, "air", 0.8)}),
)

INDOORS = (
    Scene("kitchen", "in a kitchen", 1.2, (
        ("ground", (0, 0.8), (226, 216, 196), (210, 200, 180), 4),
        ("bricks", (0.2, 0.52), (196, 186, 168), 0.07, 0.07, 0),
        ("spines", (0.04, 0.16), 0.05, 0.6),
        ("panel", (0.52, 0.8), 0, 1, (176, 134, 96), (110, 78, 54), 1, 5),
        ("panel", (0.5, 0.55), 0, 1, (196, 190, 182)),
        ("ground", (0.8, 1), (150, 128, 110), (132, 110, 92), 4),
        ("bricks", (0.8, 1), (116, 94, 80), 0.16, 0.08, 0)), {
        "top": Zone(0.5, 0.57, 40, 120), "floor": Zone(0.78, 1.08, 26, 76), "wall": WALL}, {
        "apple": (5, "top", 2.3), "bottle": (2.6, "top", 1.2), "microwave": (3.8, "top", 0.3),
        "refrigerator": (3.8, "floor", 0.3),
        "person": (2, "floor", 0.7), "cup": (0.4, "top", 1.2), "chair": (0.6, "floor", 0.8),
        "cat": (0.3, "floor", 0.6), "diningtable": (0.4, "floor", 0.3)}),
    Scene("dining room", "at a dining table", 1.0, (
        ("ground", (0, 0.6), (190, 170, 160), (204, 186, 172), 4),
        ("panel", (0.05, 0.36), 0.55, 0.85, (186, 210, 226), (236, 230, 220), 2, 2),
        ("ground", (0.6, 1), (156, 112, 80), (178, 132, 96), 5),
        ("bricks", (0.6, 1), (130, 90, 62), 0.5, 0.07)), {
        "table": Zone(0.8, 1.0, 40, 130), "floor": Zone(0.64, 1.1, 28, 92), "wall": WALL}, {
        "pizza": (5, "table", 1.8), "diningtable": (3, "floor", 0.3), "chair": (4, "floor", 1.4),
        "bottle": (1, "table", 1.0),
        "person": (3, "floor", 1.0), "cup": (0.4, "table", 1.2), "vase": (0.5, "table", 0.7)}),
    Scene("living room", "in a living room", 1.3, (
        ("ground", (0, 0.6), (206, 198, 210), (190, 182, 196), 4),
        ("panel", (0.08, 0.4), 0.08, 0.34, (190, 214, 230), (240, 236, 228), 2, 2),
        ("spines", (0.16, 0.3), 0.62, 0.96),
        ("spines", (0.34, 0.46), 0.62, 0.96), ("ground", (0.6, 1), (170, 136, 104), (150, 116, 86), 4),
        ("bricks", (0.6, 1), (128, 96, 70), 0.6, 0.06)), {
        "floor": Zone(0.62, 1.1, 20, 76), "shelf": Zone(0.46, 0.56, 36, 120), "wall": WALL}, {
        "sofa": (5, "floor", 0.5), "vase": (4, "shelf", 1.7), "cat": (3.6, "floor", 0.9),
        "pottedplant": (3.4, "floor", 1.2),
        "tvmonitor": (2.4, "shelf", 0.5), "clock": (2, "wall", 0.6), "person": (2.4, "floor", 0.9),
        "dog": (0.4, "floor", 0.7),
        "chair": (0.6, "floor", 0.9), "diningtable": (0.4, "floor", 0.3)}),
    Scene("office", "in an office", 1.1, (
        ("ground", (0, 0.62), (196, 206, 212), (184, 194, 200), 3),
        ("panel", (0.06, 0.34), 0.5, 0.95, (168, 200, 222), (120, 126, 134), 1, 4),
        ("ground", (0.62, 1), (116, 124, 134), (100, 106, 116), 9, (60, 60)),
        ("panel", (0.5, 0.56), 0, 1, (200, 182, 150)),
        ("panel", (0.56, 0.7), 0.02, 0.2, (150, 136, 114), (90, 80, 66), 3, 1),
        ("panel", (0.56, 0.7), 0.7, 0.9, (150, 136, 114), (90, 80, 66), 3, 1)), {
        "desk": Zone(0.5, 0.57, 36, 120), "floor": Zone(0.66, 1.1, 24, 80), "wall": WALL}, {
        "laptop": (5, "desk", 1.3), "cup": (4, "desk", 1.8), "tvmonitor": (4, "desk", 1.0),
        "chair": (3, "floor", 1.1),
        "person": (2.4, "floor", 1.0), "pottedplant": (0.4, "floor", 0.7), "backpack": (0.3, "floor", 0.6)}),
)

SCENES = OUTDOORS + INDOORS

"""Made inputs of the scorer: a random ground truth, and detections: one disturbed by a known noise model.

They stand for a detector where none is trained: in tests, benchmarks and, openly, the notebook on scoring.
"""
import numpy as np

from paperlib.scoring.checked_arrays import truth


def made_truth(images: int, seed: int = 0, categories: int = 80, per_image: float = 7.3, crowd: float = 0.01,
               size: tuple[int, int] = (480, 640)) -> dict:
    """COCO's dictionary of a random ground truth: log-normal sizes, category counts that fall like 1/rank.

    Units: `per_image` objects (Poisson mean), `crowd` the share of them that is a crowd region,
           `size` (height, width) px.
    """
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(1, images + 1), rng.poisson(per_image, images))
    n = len(image)
    height, width = size
    side, aspect = np.exp(rng.normal(np.log(width / 12), 1, n)), np.exp(rng.normal(0, 0.5, n))
    wh = np.stack([side * aspect**0.5, side / aspect**0.5], 1).clip(2, [width, height])
    boxes = np.concatenate([rng.uniform(0, 1, (n, 2)) * ([width, height] - wh), wh], 1)
    weight = 1 / np.arange(1, categories + 1)
    label = rng.choice(categories, n, p=weight / weight.sum()) + 1
    crowds = (rng.random(n) < crowd).astype(int)
    made = {"images": [], "categories": [], "annotations": []}
    for i in range(1, images + 1):
        made["images"].append({"id": i, "height": height, "width": width, "file_name": ""})
    for c in range(1, categories + 1):
        made["categories"].append({"id": c, "name": f"class {c}", "supercategory": f"group {c % 10}"})
    columns = zip(image.tolist(), label.tolist(), boxes.tolist(), crowds.tolist())
    for number, (i, c, box, flag) in enumerate(columns, 1):
        made["annotations"].append({"id": number, "image_id": i, "category_id": c, "bbox": box,
                                    "area": box[2] * box[3], "iscrowd": flag})
    return made


def made_detections(gt, seed: int = 0, recall: float = 0.85, copies: float = 0.4, jitter: float = 0.12,
                    blur: float = 0.5, similar: float = 0.08, other: float = 0.03,
                    background: float = 3.0) -> list[dict]:
    """COCO result records: each object of `gt` detected or missed, its box moved, its label perhaps mistaken.

    An object is detected with probability `recall` (a `difficult` one with half of it), and then gives
    1 + Poisson(`copies`) boxes. Each box moves by a normal error of `jitter` times the object's sides,
    times .3, 1 or 2, plus `blur` px; its sides change by a factor exp of the same. Its label turns into one
    of the same super-category (`similar`) or of any (`other`). An image gets Poisson(`background`) boxes of
    nothing. The score falls with the error, noisily.
    """
    rng, columns = np.random.default_rng(seed), truth(gt)
    detected = rng.random(len(columns.image)) < recall / (1 + columns.difficult)
    pick = np.flatnonzero(detected & ~columns.crowd)
    pick = np.repeat(pick, 1 + rng.poisson(copies, len(pick)))
    boxes = columns.boxes[pick]
    spread = jitter * rng.choice([0.3, 1, 2], (len(pick), 1)) + blur / np.tile(boxes[:, 2:].clip(1), 2)
    error = spread * rng.normal(0, 1, (len(pick), 4))
    corner = boxes[:, :2] + error[:, :2] * boxes[:, 2:]
    moved = np.concatenate([corner, boxes[:, 2:] * np.exp(error[:, 2:])], 1)
    label, wrong = _mistake(columns, columns.category[pick], similar, other, rng)
    quality = 2.5 - 6 * np.abs(error).sum(1) - 1.5 * wrong + rng.normal(0, 1, len(pick))
    num_images = len(columns.sizes)
    nothing = np.repeat(np.arange(1, num_images + 1), rng.poisson(background, num_images))
    boxes_of_nothing, kind, low = _background(columns, nothing, rng)
    return _as_records(columns, np.concatenate([columns.image[pick], nothing]), np.concatenate([label, kind]),
                       np.concatenate([moved, boxes_of_nothing]), np.concatenate([quality, low]), rng)


def _mistake(columns, label, similar: float, other: float, rng) -> tuple[np.ndarray, np.ndarray]:
    """Labels after confusion, and which of them are wrong."""
    group = np.array(columns.similar)
    draw, out = rng.random(len(label)), label.copy()
    for n in np.flatnonzero(draw < similar):
        kin = np.flatnonzero(group == group[label[n] - 1]) + 1
        out[n] = rng.choice(kin)
    far = (draw >= similar) & (draw < similar + other)
    out[far] = rng.integers(1, len(columns.names) + 1, far.sum())
    return out, out != label


def _background(columns, image, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes anywhere, of the sides of random objects and a category that is common, with low scores."""
    n, size = len(image), np.array(columns.sizes, float)[:, ::-1]
    like = rng.integers(0, len(columns.image), n)
    wh = np.minimum(columns.boxes[like, 2:], size[image - 1])
    boxes = np.concatenate([rng.uniform(0, 1, (n, 2)) * (size[image - 1] - wh), wh], 1)
    return boxes, columns.category[like], rng.normal(-0.5, 1.2, n)


def _as_records(columns, image, label, boxes, logit, rng) -> list[dict]:
    """Clipped to the image, in random order, with the file's own ids."""
    size = np.array(columns.sizes, float)[:, ::-1][image - 1]
    low, high = boxes[:, :2].clip(0, size - 1), (boxes[:, :2] + boxes[:, 2:]).clip(1, size)
    boxes, scores = np.concatenate([low, (high - low).clip(1)], 1).round(2), 1 / (1 + np.exp(-logit))
    images, categories = sorted(columns.images), sorted(columns.categories)
    order = rng.permutation(len(image))
    rows = zip(image[order].tolist(), label[order].tolist(), boxes[order].tolist(), scores[order].tolist())
    records = []
    for i, c, box, score in rows:
        records.append({"image_id": images[i - 1], "category_id": categories[c - 1], "bbox": box,
                        "score": round(score, 4)})
    return records

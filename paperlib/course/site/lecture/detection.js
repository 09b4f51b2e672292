// The first lecture's mathematics, on plain arrays. Boxes are [x1, y1, x2, y2] px. A test holds each function against
// the package's own in Python.

const area = (b) => (b[2] - b[0]) * (b[3] - b[1]);

export function intersection(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return Math.max(width, 0) * Math.max(height, 0);
}

export function iou(a, b) {
  const both = intersection(a, b), union = area(a) + area(b) - both;
  return union > 0 ? both / union : 0;
}

// Indices by falling score; equal scores keep their order.
const ranking = (scores) => scores.map((_, i) => i).sort((i, k) => scores[k] - scores[i] || i - k);

// Which detections are hits: best score first, each takes the free object that it overlaps most, from `threshold` on.
export function hits(detections, scores, objects, threshold) {
  const free = objects.map(() => true), hit = detections.map(() => false);
  for (const i of ranking(scores)) {
    const overlaps = objects.map((object, g) => free[g] ? iou(detections[i], object) : 0);
    const best = Math.max(...overlaps);
    hit[i] = best >= threshold && best > 0;
    if (hit[i]) free[overlaps.indexOf(best)] = false;
  }
  return hit;
}

// Precision and recall after each detection of the ranking.
export function curve(hit, scores, total) {
  let right = 0;
  return ranking(scores).map((i, n) => {
    right += hit[i] ? 1 : 0;
    return { precision: right / (n + 1), recall: right / total };
  });
}

// The best precision from each place of the ranking on.
function envelope(points) {
  const heights = points.map((point) => point.precision);
  for (let n = heights.length - 2; n >= 0; n--) heights[n] = Math.max(heights[n], heights[n + 1]);
  return heights;
}

// VOC 2010: the area under the interpolated curve.
export function areaUnder(points) {
  let sum = 0, before = 0;
  envelope(points).forEach((height, n) => { sum += height * (points[n].recall - before); before = points[n].recall; });
  return sum;
}

// The mean of the interpolated curve at `count` levels of recall: 11 for VOC 2007, 101 for COCO.
export function atLevels(points, count) {
  const heights = envelope(points);
  let sum = 0;
  for (let k = 0; k < count; k++) {
    const n = points.findIndex((point) => point.recall >= k / (count - 1));
    if (n >= 0) sum += heights[n];
  }
  return sum / count;
}

// Greedy suppression: indices of the boxes that stay, best first.
export function nms(boxes, scores, threshold) {
  const kept = [];
  for (const i of ranking(scores)) if (kept.every((k) => iou(boxes[i], boxes[k]) <= threshold)) kept.push(i);
  return kept;
}

// Focal loss of a logit x with label 1 or 0; alpha null leaves the weight out. Gamma 0 is cross entropy.
export function focal(x, label, gamma, alpha) {
  const wrongness = label ? -x : x;
  const softplus = (u) => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
  const weight = alpha === null ? 1 : label ? alpha : 1 - alpha;
  return weight * Math.exp(-gamma * softplus(-wrongness)) * softplus(wrongness);
}

// RoI pooling of one map (rows of numbers): side x side maxima of a box in cells, rounded as Fast R-CNN does.
export function roiPool(map, box, side) {
  const rows = map.length, columns = map[0].length;
  const [x1, y1, x2, y2] = [box[0], box[1], box[2] - 1, box[3] - 1].map((value) => Math.floor(value + 0.5));
  const cells = (first, last, size) => {
    const length = Math.max(last - first + 1, 1);
    return Array.from({ length: side }, (_, i) => [
      Math.min(Math.max(Math.floor(i * length / side) + first, 0), size),
      Math.min(Math.max(Math.ceil((i + 1) * length / side) + first, 0), size)]);
  };
  return cells(y1, y2, rows).map(([top, bottom]) => cells(x1, x2, columns).map(([left, right]) => {
    const read = map.slice(top, bottom).flatMap((row) => row.slice(left, right));
    return read.length ? Math.max(...read) : 0;
  }));
}

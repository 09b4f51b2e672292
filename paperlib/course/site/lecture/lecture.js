// The page: boards from `boxes.js`, numbers from `detection.js`, drawn anew at every move.
const BLUE = "#0072B2", RED = "#D55E00", BLACK = "#000000", GREY = "#5c5c5c";
const here = (id) => document.getElementById(id);
const corners = ([x, y, w, h]) => [x, y, x + w, y + h];
const two = (value) => value.toFixed(2), three = (value) => value.toFixed(3);

// A board of boxes [x, y, w, h]; `look(corners, i)` gives colour, text and at; `told()` is called after each move.
function board(id, size, start, fixed, look, told) {
  let boxes = start.map((box) => [...box]);
  const view = boxesOn({
    live: true, size: () => size, picture: () => "", boxes: () => boxes, movable: (i) => i >= fixed,
    change: (next) => { boxes = next; told(); },
    look: (box, i) => { const seen = look(boxes.map(corners), i); return { dashed: i >= fixed, name: seen.text, ...seen }; },
  });
  const root = here(id), back = part("button", { type: "button", textContent: "Back to the start" });
  back.addEventListener("click", () => { boxes = start.map((box) => [...box]); told(); view.draw(); });
  view.svg.setAttribute("aria-label", root.dataset.label);
  root.addEventListener("keydown", (event) => { if (view.key(event)) event.preventDefault(); });
  root.append(view.svg, back);
  return { boxes: () => boxes.map(corners), draw: view.draw, svg: view.svg };
}

// ---- overlap
const pair = board("iou", [120, 100], [[20, 20, 40, 40], [32, 28, 40, 40]], 1, (all, i) => i ?
  { colour: iou(...all) >= 0.5 ? BLUE : RED, text: `your box ${two(iou(...all))}`, at: "below" } :
  { colour: BLACK, text: "the object", at: "above" }, () => overlap());
function overlap() {
  const [a, b] = pair.boxes(), both = intersection(a, b), value = iou(a, b);
  const passed = [0.1, 0.5, 0.75, 0.95].filter((threshold) => value >= threshold);
  here("iou-said").textContent = `IoU ${two(value)} = ${both.toFixed(0)} / (${area(a).toFixed(0)} + ${area(b).toFixed(0)} - ` +
    `${both.toFixed(0)}) px². It reaches ${passed.join(", ") || "none of .1, .5, .75, .95"}.`;
}

// ---- matching, ranking, average precision
const OBJECTS = [[10, 10, 30, 30], [58, 12, 32, 40], [22, 58, 26, 34]];
const FOUND = [[12, 11, 29, 31], [60, 70, 28, 28], [54, 16, 30, 42], [16, 14, 28, 32], [20, 64, 32, 32]];
const scores = () => [0.95, 0.85, Number(here("c-score").value), 0.65, 0.45];
const ranked = board("match", [128, 108], [...OBJECTS, ...FOUND], 3, (all, i) => {
  if (i < 3) return { colour: BLACK, text: `object ${i + 1}`, at: "above" };
  const hit = hits(all.slice(3), scores(), all.slice(0, 3), Number(here("threshold").value))[i - 3];
  return { colour: hit ? BLUE : RED, text: `${"ABCDE"[i - 3]} ${two(scores()[i - 3])} ${hit ? "✓" : "✗"}`, at: i === 3 ? "inside" : "below" };
}, () => match());
function match() {
  const all = ranked.boxes(), threshold = Number(here("threshold").value);
  const hit = hits(all.slice(3), scores(), all.slice(0, 3), threshold), points = curve(hit, scores(), 3);
  const names = [..."ABCDE"].filter((_, i) => hit[i]);
  here("match-said").textContent = `Hits at IoU ${two(threshold)}: ${names.join(", ") || "none"}. AP: ${three(areaUnder(points))} as VOC 2010, ` +
    `${three(atLevels(points, 11))} as VOC 2007, ${three(atLevels(points, 101))} as COCO at this threshold.`;
  plot("curve", [0, 1], [0, 1], "recall", "precision", [
    { points: stairs(points), colour: BLUE, dash: "" }, { points: points.map((p) => [p.recall, p.precision]), colour: BLACK, dash: "4 3", dots: true }]);
}
function stairs(points) {
  const line = [];
  points.forEach((_, n) => {
    const height = Math.max(...points.slice(n).map((point) => point.precision));
    line.push([n ? points[n - 1].recall : 0, height], [points[n].recall, height]);
  });
  return line;
}

// ---- suppression
const HEAP = [[14, 16, 40, 44], [20, 20, 40, 44], [28, 26, 40, 42], [74, 22, 34, 52], [80, 30, 34, 50], [44, 62, 26, 26]];
const SURE = [0.92, 0.88, 0.6, 0.8, 0.75, 0.5];
const heap = board("nms", [128, 100], HEAP, 0, (all, i) => {
  const stays = nms(all, SURE, Number(here("suppress").value)).includes(i);
  return { colour: stays ? BLUE : GREY, dashed: !stays, text: `${"ABCDEF"[i]} ${two(SURE[i])} ${stays ? "stays" : "goes"}`, at: i % 2 ? "below" : "inside" };
}, () => suppress());
function suppress() {
  const all = heap.boxes(), threshold = Number(here("suppress").value), kept = nms(all, SURE, threshold);
  const gone = all.map((_, i) => i).filter((i) => !kept.includes(i)).map((i) => {
    const by = kept.find((k) => SURE[k] >= SURE[i] && iou(all[i], all[k]) > threshold);
    return `${"ABCDEF"[i]} goes because of ${"ABCDEF"[by]} (IoU ${two(iou(all[i], all[by]))})`;
  });
  here("nms-said").textContent = `${kept.map((i) => "ABCDEF"[i]).join(", ")} stay. ${gone.join("; ") || "Nothing goes"}.`;
}

// ---- focal loss
function loss() {
  const gamma = Number(here("gamma").value), p = Number(here("p").value), at = (g, q) => focal(Math.log(q / (1 - q)), 1, g, null);
  const grid = Array.from({ length: 99 }, (_, k) => (k + 1) / 100);
  plot("losses", [0, 1], [0, 5], "probability of the truth", "loss", [
    { points: grid.map((q) => [q, at(0, q)]), colour: BLACK, dash: "4 3" }, { points: grid.map((q) => [q, at(gamma, q)]), colour: BLUE, dash: "" },
    { points: [[p, at(gamma, p)]], colour: RED, dash: "", dots: true }]);
  here("loss-said").textContent = `At probability ${two(p)}: cross entropy ${at(0, p).toPrecision(3)}, focal loss with gamma ${gamma} ` +
    `${at(gamma, p).toPrecision(3)}, ${(at(0, p) / at(gamma, p)).toPrecision(3)} times less. A hundred thousand such anchors cost ` +
    `${(1e5 * at(gamma, p)).toPrecision(3)}; one hard object at probability 0.1 costs ${at(gamma, 0.1).toPrecision(3)}.`;
}

// ---- RoI pooling
const MAP = Array.from({ length: 8 }, (_, y) => Array.from({ length: 8 }, (_, x) => (7 * x + 3 * y + x * x * y) % 10));
const region = board("roi", [160, 160], [[20, 40, 60, 80]], 0, () => ({ colour: RED, text: "", name: "the region", at: "above" }), () => pooled());
for (let y = 0; y < 8; y++) {
  for (let x = 0; x < 8; x++) {
    const number = shape("text", { x: 20 * x + 10, y: 20 * y + 14, "text-anchor": "middle", "font-size": 10, fill: "#333", "aria-hidden": "true" });
    number.textContent = MAP[y][x];
    region.svg.prepend(number);
  }
}
function pooled() {
  const [box] = region.boxes(), cells = box.map((value) => value / 20), out = roiPool(MAP, cells, 2);
  here("roi-said").textContent = `Region ${cells.map((value) => value.toFixed(1)).join(", ")} in cells, pooled to 2 by 2: ` +
    `${out.map((row) => row.join(" ")).join(" | ")}.`;
}

// A small plot: lines of points [x, y] in the ranges xs and ys.
function plot(id, xs, ys, across, up, lines) {
  const width = 320, height = 220, left = 40, low = 36;
  const X = (x) => left + (x - xs[0]) / (xs[1] - xs[0]) * (width - left - 8);
  const Y = (y) => height - low - (Math.min(y, ys[1]) - ys[0]) / (ys[1] - ys[0]) * (height - low - 8);
  const words = (text, x, y, more = {}) => { const made = shape("text", { x, y, "font-size": 11, "text-anchor": "middle", ...more }); made.textContent = text; return made; };
  const made = [shape("path", { d: `M${X(xs[0])} ${Y(ys[1])}V${Y(ys[0])}H${X(xs[1])}`, fill: "none", stroke: "#333" }),
    words(across, (X(xs[0]) + X(xs[1])) / 2, height - 4), words(up, 11, height / 2, { transform: `rotate(-90 11 ${height / 2})` })];
  for (const k of [0, 0.5, 1]) {
    made.push(words(String(xs[0] + k * (xs[1] - xs[0])), X(xs[0] + k * (xs[1] - xs[0])), height - low + 14),
      words(String(ys[0] + k * (ys[1] - ys[0])), left - 12, Y(ys[0] + k * (ys[1] - ys[0])) + 4));
  }
  for (const line of lines) {
    const path = line.points.map(([x, y], n) => `${n ? "L" : "M"}${X(x)} ${Y(y)}`).join("");
    made.push(shape("path", { d: path, fill: "none", stroke: line.colour, "stroke-width": 2, "stroke-dasharray": line.dash || "none" }));
    for (const [x, y] of line.dots ? line.points : []) made.push(shape("circle", { cx: X(x), cy: Y(y), r: 4, fill: line.colour }));
  }
  here(id).setAttribute("viewBox", `0 0 ${width} ${height}`);
  here(id).replaceChildren(...made);
}

const parts = { "c-score": [match, ranked], threshold: [match, ranked], suppress: [suppress, heap], gamma: [loss], p: [loss] };
for (const [id, [tell, view]] of Object.entries(parts)) {
  here(id).addEventListener("input", () => { here(`${id}-value`).textContent = here(id).value; tell(); view?.draw(); });
}
overlap(); match(); suppress(); loss(); pooled();
for (const view of [pair, ranked, heap, region]) view.draw();

// Boxes on a picture that can be drawn, dragged, resized and moved by keys: the part that the labeller and the
// boards share. A box is [x, y, width, height, ...more] in px of the picture; `more` is kept as it is.
const NS = "http://www.w3.org/2000/svg";
const HANDLE = 24; // px on the screen: what a finger can take hold of

function part(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function shape(tag, attributes) {
  const element = document.createElementNS(NS, tag);
  mark(element, attributes);
  return element;
}

function mark(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

/* `options`: size() -> [w, h]; picture() -> address or ""; boxes() -> list; change(boxes, done) after each move, `done`
   false while a pointer still drags; look(box, i) -> {colour, dashed, text, name, at: "above", "below" or "inside", kind: a class
   for its looks, quiet: not read aloud}; movable(i); choose(i) when the chosen
   box is another; made(corners) -> a new box, or nothing where none can be drawn; live: also tell moves on the way. */
function boxesOn(options) {
  const svg = shape("svg", { role: "group" });
  const image = shape("image", {}), layer = shape("g", {}), corners = shape("g", {});
  let chosen = -1, drag = null, drawn = [];
  svg.append(image, layer, corners);

  const movable = (i) => options.movable?.(i) ?? true;
  const pixel = () => { const m = svg.getScreenCTM(); return m ? 1 / m.a : 1; }; // px of the picture for one of the screen

  function draw() {
    const [width, height] = options.size(), boxes = options.boxes(), href = options.picture();
    mark(svg, { viewBox: `0 0 ${width} ${height}` });
    if (image.getAttribute("href") !== href) mark(image, { href, width, height });
    image.style.display = href ? "" : "none";
    if (!boxes[chosen]) chosen = -1;
    while (drawn.length > boxes.length) drawn.pop().forEach((element) => element.remove());
    while (drawn.length < boxes.length) drawn.push(add(drawn.length));
    boxes.forEach(place);
    drawCorners(boxes[chosen]);
  }

  function add(i) {
    const rect = shape("rect", { "data-box": i }), text = shape("text", { "aria-hidden": "true" });
    rect.addEventListener("focus", () => choose(i));
    layer.append(rect, text);
    return [rect, text];
  }

  function place([x, y, w, h], i) {
    const [rect, text] = drawn[i], [width, height] = options.size();
    const { colour, dashed, text: words, name, at: side, kind, quiet } = options.look(options.boxes()[i], i);
    const moves = movable(i);
    const place = `${Math.round(w)} by ${Math.round(h)} at ${Math.round(x)}, ${Math.round(y)}`;
    mark(rect, { x, y, width: w, height: h, stroke: colour, class: `box${i === chosen ? " chosen" : ""}${moves ? "" : " fixed"} ${kind ?? ""}`,
      "aria-label": `${name}, ${place}`, role: moves ? "button" : "img", "stroke-dasharray": dashed ? "6 4" : "none" });
    if (quiet) mark(rect, { "aria-hidden": "true" });
    if (moves) mark(rect, { tabindex: "0", "aria-roledescription": "box to move", "aria-pressed": String(i === chosen) });
    const size = Math.max(height / 32, 13 * pixel());
    let base = y - size * 0.25;
    if (side === "below" && y + h + size < height) base = y + h + size;
    else if (side === "inside" || y < size * 1.2) base = y + size;
    mark(text, { x: Math.min(x + size / 5, width - size), y: base, fill: "#000", stroke: "#fff",
      "stroke-width": size / 4, "stroke-linejoin": "round", "paint-order": "stroke", "font-size": size });
    text.textContent = words;
  }

  function drawCorners(box) {
    const side = 10 * pixel(), reach = HANDLE * pixel();
    const made = [];
    if (box && movable(chosen)) {
      for (const [cx, cy] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
        const x = box[0] + cx * box[2], y = box[1] + cy * box[3], turn = cx === cy ? "nwse-resize" : "nesw-resize";
        made.push(shape("rect", { x: x - side / 2, y: y - side / 2, width: side, height: side, class: "corner" }));
        made.push(shape("rect", { x: x - reach / 2, y: y - reach / 2, width: reach, height: reach, class: "reach",
          "data-corner": `${cx}${cy}`, style: `cursor: ${turn}` }));
      }
    }
    corners.replaceChildren(...made);
  }

  function choose(i) {
    if (chosen === i) return;
    chosen = i;
    options.choose?.(i);
    draw();
  }

  function at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const [width, height] = options.size();
    return [Math.min(Math.max(point.x, 0), width), Math.min(Math.max(point.y, 0), height)];
  }

  const between = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])];
  const inside = (x, room) => Math.min(Math.max(x, 0), Math.max(room, 0));

  svg.addEventListener("pointerdown", (event) => {
    const { corner, box } = event.target.dataset, start = at(event), boxes = options.boxes();
    if (corner !== undefined) {
      const [x, y, w, h] = boxes[chosen];
      drag = { kind: "corner", fixed: [corner[0] === "0" ? x + w : x, corner[1] === "0" ? y + h : y] };
    } else if (box !== undefined && movable(Number(box)) && !(options.made && event.altKey)) {
      choose(Number(box));
      drag = { kind: "move", start, box: boxes[chosen] };
    } else if (options.made) {
      drag = { kind: "new", fixed: start };
    } else return;
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    drawn[chosen]?.[0].focus({ preventScroll: true });
  });

  svg.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const point = at(event), [width, height] = options.size();
    if (drag.kind === "move") {
      const [x, y, w, h] = drag.box;
      drag.now = [inside(x + point[0] - drag.start[0], width - w), inside(y + point[1] - drag.start[1], height - h), w, h];
    } else {
      drag.now = between(drag.fixed, point);
    }
    if (drag.kind === "new") { ghost(drag.now); return; }
    const next = moved(drag.now);
    if (drag.now[2] >= 1 && drag.now[3] >= 1) {
      place(next[chosen], chosen);
      drawCorners(next[chosen]);
      if (options.live) options.change(next, false);
    }
  });

  const moved = (now) => options.boxes().map((box, i) => i === chosen ? [...now, ...box.slice(4)] : [...box]);

  function ghost(now) {
    let outline = svg.querySelector(".ghost");
    if (!now) { outline?.remove(); return; }
    if (!outline) { outline = shape("rect", { class: "box ghost", stroke: "#fff" }); svg.append(outline); }
    mark(outline, { x: now[0], y: now[1], width: now[2], height: now[3] });
  }

  function end(event) {
    const { kind, now } = drag ?? {};
    drag = null;
    ghost(null);
    if (event.type === "pointercancel" || !now || now[2] < 2 || now[3] < 2) { draw(); return; }
    if (kind === "new") addBox(options.made(now));
    else { options.change(moved(now), true); draw(); }
  }
  svg.addEventListener("pointerup", end);
  svg.addEventListener("pointercancel", end);

  function addBox(box) {
    const next = [...options.boxes().map((one) => [...one]), box];
    options.change(next, true);
    draw();
    choose(next.length - 1);
    drawn[chosen]?.[0].focus({ preventScroll: true });
  }

  // Arrows move the chosen box, with Shift its right and lower edge; Alt makes ten px of one. True if the key was one.
  function key(event) {
    const step = event.altKey ? 10 : 1, [width, height] = options.size();
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const by = moves[event.key], box = options.boxes()[chosen];
    if (!by || !box || !movable(chosen) || event.ctrlKey || event.metaKey) return false;
    let [x, y, w, h] = box;
    if (event.shiftKey) [w, h] = [Math.min(w + by[0], width - x), Math.min(h + by[1], height - y)];
    else [x, y] = [inside(x + by[0], width - w), inside(y + by[1], height - h)];
    if (w >= 2 && h >= 2) options.change(moved([x, y, w, h]), true);
    draw();
    return true;
  }

  new ResizeObserver(draw).observe(svg);
  return { svg, draw, choose, addBox, key, chosen: () => chosen };
}

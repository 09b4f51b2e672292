// The labeller's front: an SVG over a picture. Every change of boxes goes to Python at once, which saves it.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"];
const KEYS = "Draw with the mouse, or press B for a box. 1-9: class. Arrows: move; with Shift: resize. " +
  "Tab: next box. Delete: remove. Ctrl+Z: undo. N: accept and go on. P: back.";
const NS = "http://www.w3.org/2000/svg";

function part(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function shape(tag, attributes) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function render({ model, el }) {
  let chosen = -1, label = 1, drag = null;
  const title = part("strong"), said = part("span", { role: "status" });
  const classes = part("div", { className: "bar" });
  classes.setAttribute("role", "group");
  classes.setAttribute("aria-label", "class of the next or the chosen box");
  const svg = shape("svg", { tabindex: "0", role: "group" });
  const name = part("input", { placeholder: "new class", size: 12 });
  name.setAttribute("aria-label", "name of a new class");
  const send = (what, more = {}) => model.send({ do: what, ...more });
  const button = (text, action) => part("button", { type: "button", textContent: text, onclick: action });
  const add = () => { if (name.value.trim()) send("class", { name: name.value }); name.value = ""; };
  name.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.key === "Enter") add(); });
  const bar = part("div", { className: "bar" }, button("Back (P)", () => send("back")),
    button("Undo (Ctrl+Z)", () => send("undo")), button("Remove (Delete)", remove),
    button("Accept, next (N)", () => send("next")), name, button("Add class", add));
  const root = part("div", { className: "labeller" }, title, classes, svg, bar,
    part("p", { className: "keys", textContent: KEYS }), said);
  el.append(root);

  const boxes = () => model.get("boxes").map((box) => [...box]);
  const size = () => model.get("size");

  function change(next) {
    model.set("boxes", next);
    model.save_changes();
  }

  function remove() {
    if (chosen < 0) return;
    const next = boxes();
    next.splice(chosen, 1);
    chosen = -1;
    change(next);
  }

  function choose(k) {
    label = k;
    const next = boxes();
    if (next[chosen] && next[chosen][4] !== k) { next[chosen][4] = k; change(next); }
    drawClasses();
  }

  function drawClasses() {
    classes.replaceChildren(...model.get("classes").map((text, i) => {
      const one = button(`${i + 1} ${text}`, () => choose(i + 1));
      one.setAttribute("aria-pressed", String(label === i + 1));
      one.style.borderColor = COLOURS[i % COLOURS.length];
      return one;
    }));
  }

  function draw() {
    const [width, height] = size(), names = model.get("classes");
    const inside = root.contains(document.activeElement) && document.activeElement.classList.contains("box");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-label", `picture with ${boxes().length} boxes; ${KEYS}`);
    const parts = [shape("image", { href: model.get("picture"), width, height })];
    if (!boxes()[chosen]) chosen = -1;
    boxes().forEach(([x, y, w, h, k], i) => {
      const colour = COLOURS[(k - 1) % COLOURS.length];
      const box = shape("rect", { x, y, width: w, height: h, stroke: colour, tabindex: "0", role: "button",
        class: "box" + (i === chosen ? " chosen" : ""), "data-box": i,
        "aria-label": `${names[k - 1]}, ${Math.round(w)} by ${Math.round(h)} at ${Math.round(x)}, ${Math.round(y)}` });
      box.addEventListener("focus", () => { if (chosen !== i) { chosen = i; label = k; draw(); drawClasses(); } });
      const text = shape("text", { x: x + 2, y: Math.max(y - 3, height / 40), fill: "#fff", stroke: "#000",
        "stroke-width": height / 200, "paint-order": "stroke", "font-size": height / 32 });
      text.textContent = names[k - 1];
      parts.push(box, text);
    });
    if (chosen >= 0) {
      const [x, y, w, h] = boxes()[chosen], side = width / 60;
      for (const [cx, cy] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
        parts.push(shape("rect", { x: x + cx * w - side / 2, y: y + cy * h - side / 2, width: side, height: side,
          class: "corner", "data-corner": `${cx}${cy}` }));
      }
    }
    svg.replaceChildren(...parts);
    if (inside && chosen >= 0) svg.querySelector(`[data-box="${chosen}"]`).focus();
  }

  function at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const [width, height] = size();
    return [Math.min(Math.max(point.x, 0), width), Math.min(Math.max(point.y, 0), height)];
  }

  const between = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])];

  svg.addEventListener("pointerdown", (event) => {
    const corner = event.target.dataset.corner, picked = event.target.dataset.box;
    const start = at(event);
    event.preventDefault();
    svg.focus();
    svg.setPointerCapture(event.pointerId);
    if (corner !== undefined) {
      const [x, y, w, h] = boxes()[chosen];
      drag = { kind: "corner", fixed: [corner[0] === "0" ? x + w : x, corner[1] === "0" ? y + h : y] };
    } else if (picked !== undefined && !event.altKey) {
      chosen = Number(picked);
      label = boxes()[chosen][4];
      drag = { kind: "move", start, box: boxes()[chosen] };
      draw(); drawClasses();
    } else {
      drag = { kind: "new", fixed: start };
    }
  });

  svg.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const point = at(event), [width, height] = size();
    if (drag.kind === "move") {
      const [x, y, w, h, k] = drag.box;
      drag.now = [Math.min(Math.max(x + point[0] - drag.start[0], 0), width - w),
        Math.min(Math.max(y + point[1] - drag.start[1], 0), height - h), w, h, k];
    } else {
      drag.now = [...between(drag.fixed, point), drag.kind === "corner" ? boxes()[chosen][4] : label];
    }
    let ghost = svg.querySelector(".ghost");
    if (!ghost) { ghost = shape("rect", { class: "box ghost", stroke: "#fff" }); svg.append(ghost); }
    const [x, y, w, h] = drag.now;
    for (const [key, value] of Object.entries({ x, y, width: w, height: h })) ghost.setAttribute(key, value);
  });

  svg.addEventListener("pointerup", () => {
    const { kind, now } = drag ?? {};
    drag = null;
    if (!now || now[2] < 2 || now[3] < 2) { draw(); return; }
    const next = boxes();
    if (kind === "new") { next.push(now); chosen = next.length - 1; } else { next[chosen] = now; }
    change(next);
    draw();
  });

  root.addEventListener("keydown", (event) => {
    const [width, height] = size(), next = boxes(), step = event.altKey ? 10 : 1;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((event.ctrlKey || event.metaKey) && key === "z") send("undo");
    else if (event.ctrlKey || event.metaKey) return;
    else if (key === "n") send("next");
    else if (key === "p") send("back");
    else if (key === "b") {
      next.push([width * 0.375, height * 0.375, width / 4, height / 4, label]);
      chosen = next.length - 1;
      change(next);
      draw();
      svg.querySelector(`[data-box="${chosen}"]`)?.focus();
    } else if ((key === "Delete" || key === "Backspace") && chosen >= 0) remove();
    else if (/^[1-9]$/.test(key) && Number(key) <= model.get("classes").length) choose(Number(key));
    else if (moves[key] && chosen >= 0) {
      const at = event.shiftKey ? 2 : 0;
      next[chosen][at] += moves[key][0];
      next[chosen][at + 1] += moves[key][1];
      if (next[chosen][2] > 1 && next[chosen][3] > 1) change(next);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  const turn = () => { chosen = -1; draw(); };
  const tell = () => { title.textContent = model.get("title"); said.textContent = model.get("said"); };
  model.on("change:boxes", draw);
  model.on("change:picture", turn);
  model.on("change:classes", () => { drawClasses(); draw(); });
  model.on("change:title", tell);
  model.on("change:said", tell);
  drawClasses(); draw(); tell();
}

export default { render };

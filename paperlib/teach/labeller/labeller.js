// The labeller's front, over `boxes.js`. Every change of boxes goes to Python at once, which saves it.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"];
const KEYS = "Draw with the mouse, or press B for a box. 1-9: class. Arrows: move; with Shift: resize. " +
  "Tab: next box. Delete: remove. Ctrl+Z: undo. N: accept and go on. P: back.";

function render({ model, el }) {
  let label = 1;
  const title = part("strong"), said = part("span", { role: "status" });
  const classes = part("div", { className: "bar" });
  classes.setAttribute("role", "group");
  classes.setAttribute("aria-label", "class of the next or the chosen box");
  const name = part("input", { placeholder: "new class", size: 12 });
  name.setAttribute("aria-label", "name of a new class");
  const send = (what, more = {}) => model.send({ do: what, ...more });
  const button = (text, action) => part("button", { type: "button", textContent: text, onclick: action });
  const add = () => { if (name.value.trim()) send("class", { name: name.value }); name.value = ""; };
  name.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.key === "Enter") add(); });

  const boxes = () => model.get("boxes").map((box) => [...box]);
  const colour = (k) => COLOURS[(k - 1) % COLOURS.length];

  function change(next, done) {
    if (!done) return;
    model.set("boxes", next);
    model.save_changes();
  }

  const board = boxesOn({
    size: () => model.get("size"),
    picture: () => model.get("picture"),
    boxes,
    change,
    choose: (i) => { if (boxes()[i]) { label = boxes()[i][4]; drawClasses(); } },
    made: (box) => [...box, label],
    look: (box) => {
      const text = model.get("classes")[box[4] - 1];
      return { colour: colour(box[4]), dashed: false, text, name: text };
    },
  });
  board.svg.setAttribute("tabindex", "0");
  board.svg.style.cursor = "crosshair";

  const bar = part("div", { className: "bar" }, button("Back (P)", () => send("back")),
    button("Undo (Ctrl+Z)", () => send("undo")), button("Remove (Delete)", remove),
    button("Accept, next (N)", () => send("next")), name, button("Add class", add));
  const root = part("div", { className: "boxes labeller" }, title, classes, board.svg, bar,
    part("p", { className: "keys", textContent: KEYS }), said);
  el.append(root);

  function remove() {
    const next = boxes(), i = board.chosen();
    if (i < 0) return;
    next.splice(i, 1);
    board.choose(-1);
    change(next, true);
    board.draw();
  }

  function choose(k) {
    label = k;
    const next = boxes(), i = board.chosen();
    if (next[i] && next[i][4] !== k) { next[i][4] = k; change(next, true); board.draw(); }
    drawClasses();
  }

  function drawClasses() {
    classes.replaceChildren(...model.get("classes").map((text, i) => {
      const one = button(`${i + 1} ${text}`, () => choose(i + 1));
      one.setAttribute("aria-pressed", String(label === i + 1));
      one.style.borderColor = colour(i + 1);
      return one;
    }));
  }

  function draw() {
    board.svg.setAttribute("aria-label", `picture with ${boxes().length} boxes; ${KEYS}`);
    board.draw();
  }

  root.addEventListener("keydown", (event) => {
    const [width, height] = model.get("size");
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((event.ctrlKey || event.metaKey) && key === "z") send("undo");
    else if (event.ctrlKey || event.metaKey) return;
    else if (key === "n") send("next");
    else if (key === "p") send("back");
    else if (key === "b") board.addBox([width * 0.375, height * 0.375, width / 4, height / 4, label]);
    else if ((key === "Delete" || key === "Backspace") && board.chosen() >= 0) remove();
    else if (/^[1-9]$/.test(key) && Number(key) <= model.get("classes").length) choose(Number(key));
    else if (!board.key(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });

  const tell = () => { title.textContent = model.get("title"); said.textContent = model.get("said"); };
  model.on("change:boxes", draw);
  model.on("change:picture", () => { board.choose(-1); draw(); });
  model.on("change:classes", () => { drawClasses(); draw(); });
  model.on("change:title", tell);
  model.on("change:said", tell);
  drawClasses(); draw(); tell();
}

export default { render };

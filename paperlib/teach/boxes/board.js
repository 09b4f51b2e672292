// A board: boxes on a picture whose positions Python answers with words. It follows `boxes.js` in one module.
function render({ model, el }) {
  const said = part("p", { className: "said" }), root = part("div", { className: "boxes board" });
  said.setAttribute("role", "status");
  const view = part("img"), caption = part("figcaption"), beside = part("figure", { className: "beside" }, view, caption);
  let waiting = false, latest = null;

  // one message on its way at a time: the kernel answers a drag as fast as it can, and no faster
  function send() {
    if (waiting || !latest) return;
    waiting = true;
    model.set("boxes", latest);
    model.set("moves", model.get("moves") + 1);
    latest = null;
    model.save_changes();
    const sent = model.get("moves");
    setTimeout(() => { if (model.get("moves") === sent) { waiting = false; send(); } }, 3000); // should no answer come
  }

  // the boxes of a hand, then those that follow them; only the first are sent
  const count = () => model.get("boxes").length;
  const boxes = () => [...(latest ?? model.get("boxes")), ...model.get("follow")];
  const board = boxesOn({
    live: true,
    size: () => model.get("size"),
    picture: () => model.get("picture"),
    boxes,
    movable: (i) => model.get("movable")[i] ?? false,
    change: (next) => { latest = next.slice(0, count()); send(); },
    look: (box, i) => {
      const text = model.get("texts")[i] ?? "", follows = i >= count();
      return { colour: model.get("colours")[i], dashed: model.get("movable")[i], text, name: text || `box ${i + 1}`,
        at: model.get("places")[i] ?? "above", kind: follows ? "follow" : "", quiet: follows && !text };
    },
  });
  const reset = part("button", { type: "button", textContent: "Back to the start", onclick: () => {
    latest = model.get("start").map((box) => [...box]);
    send();
    board.draw();
  } });
  const keys = part("p", { className: "keys", textContent: "Drag a dashed box or a corner of it. By keyboard: Tab to a box, " +
    "arrows move it, with Shift they resize it, with Alt by ten." });
  root.addEventListener("keydown", (event) => {
    if (board.key(event)) { event.preventDefault(); event.stopPropagation(); }
  });
  board.svg.setAttribute("aria-label", model.get("label"));
  root.append(board.svg, said, beside, reset, keys);
  el.append(root);

  const tell = () => { said.textContent = model.get("said"); };
  const show = () => {
    const address = model.get("beside");
    beside.hidden = !address;
    if (address) view.src = address;
    view.alt = caption.textContent = model.get("caption");
  };
  model.on("change:answered", () => { waiting = false; send(); });
  model.on("change:said", tell);
  for (const name of ["boxes", "texts", "colours", "picture", "follow"]) model.on(`change:${name}`, board.draw);
  for (const name of ["beside", "caption"]) model.on(`change:${name}`, show);
  board.draw();
  tell();
  show();
}

export default { render };

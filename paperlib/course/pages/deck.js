// One slide at a time: arrow keys, space, Home, End; N shows the notes. Without this script all slides stand
// below one another.
(() => {
  const slides = [...document.querySelectorAll("section")];
  const place = document.getElementById("place"), notes = document.getElementById("notes");
  let now = 0;
  const go = (to) => {
    now = Math.min(Math.max(to, 0), slides.length - 1);
    slides.forEach((slide, i) => slide.classList.toggle("now", i === now));
    place.textContent = `${now + 1} of ${slides.length}`;
    history.replaceState(null, "", `#${now + 1}`);
    scrollTo(0, 0);
  };
  const toggleNotes = () => {
    const shown = document.body.classList.toggle("with-notes");
    notes.setAttribute("aria-pressed", shown);
  };
  const keys = { ArrowRight: () => go(now + 1), PageDown: () => go(now + 1), ArrowLeft: () => go(now - 1),
    PageUp: () => go(now - 1), Home: () => go(0), End: () => go(slides.length - 1), n: toggleNotes, N: toggleNotes };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onControl = event.target.closest("summary, button");
    const act = event.key === " " && !onControl ? keys.ArrowRight : keys[event.key];
    if (act) { act(); event.preventDefault(); }
  });
  document.getElementById("back").addEventListener("click", () => go(now - 1));
  document.getElementById("on").addEventListener("click", () => go(now + 1));
  notes.addEventListener("click", toggleNotes);
  let from = 0;
  document.addEventListener("touchstart", (event) => { from = event.changedTouches[0].clientX; });
  document.addEventListener("touchend", (event) => {
    const way = event.changedTouches[0].clientX - from;
    if (Math.abs(way) > 60) go(now + (way < 0 ? 1 : -1));
  });
  addEventListener("hashchange", () => go(Number(location.hash.slice(1)) - 1));
  document.body.classList.add("live");
  go(Number(location.hash.slice(1) || 1) - 1);
})();

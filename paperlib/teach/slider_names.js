// ipywidgets names a slider beside its handle, not on it: a screen reader that lands on the handle hears a
// number only. Copy the words of the label to every handle, now and whenever one is added.
(() => {
  const nameHandles = () => {
    for (const handle of document.querySelectorAll(".noUi-handle:not([aria-label])")) {
      const label = handle.closest(".jupyter-widgets")?.querySelector(".widget-label");
      if (label) handle.setAttribute("aria-label", label.textContent);
    }
  };
  nameHandles();
  if (!window.paperlibNamesSliders) {
    window.paperlibNamesSliders = new MutationObserver(nameHandles);
    window.paperlibNamesSliders.observe(document.body, { childList: true, subtree: true });
  }
})();

// Search over the pages of this site, and the filter of the glossary. Works from a folder too: the index is a script.
(() => {
  const words = (text) => text.toLowerCase().split(/[^\p{L}\p{N}_]+/u).filter(Boolean);
  const has = (text, asked) => asked.every((word) => words(text).some((one) => one.startsWith(word)));

  function filter(input) {
    const said = document.getElementById("filtered"), rows = [...document.querySelectorAll(input.dataset.of)];
    input.closest(".find").hidden = false;
    input.addEventListener("input", () => {
      const asked = words(input.value);
      for (const row of rows) row.hidden = !has(row.textContent, asked);
      said.textContent = asked.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
    });
  }

  // words of a section's heading count ten times, those of its page's title three times
  function score(section, asked) {
    let sum = 0;
    for (const word of asked) {
      const times = words(section.text).filter((one) => one.startsWith(word)).length;
      const headed = words(section.heading).some((one) => one.startsWith(word));
      const titled = words(section.page).some((one) => one.startsWith(word));
      const points = Math.min(times, 5) + (headed ? 10 : 0) + (titled ? 3 : 0);
      if (!points) return 0;
      sum += points;
    }
    return sum;
  }

  function excerpt(text, asked) {
    const at = Math.max(0, ...asked.map((word) => text.toLowerCase().search(new RegExp(`\\b${word}`, "u"))));
    const start = Math.max(0, text.lastIndexOf(" ", Math.max(0, at - 60)));
    return `${start ? "… " : ""}${text.slice(start, start + 200).trim()} …`;
  }

  function answer(asked, list, said) {
    const hits = window.paperlibSearch.map((section) => ({ section, points: score(section, asked) }))
      .filter((hit) => hit.points > 0).sort((a, b) => b.points - a.points);
    said.textContent = asked.length ? `${hits.length} sections` : "";
    list.replaceChildren(...hits.slice(0, 30).map(({ section }) => {
      const item = document.createElement("li"), link = document.createElement("a"), text = document.createElement("p");
      link.href = section.url;
      link.textContent = section.heading === section.page ? section.page : `${section.page}: ${section.heading}`;
      text.textContent = excerpt(section.text, asked);
      item.append(link, text);
      return item;
    }));
  }

  function search(input) {
    const list = document.getElementById("hits"), said = document.getElementById("searched");
    input.value = new URLSearchParams(location.search).get("q") ?? "";
    const go = () => answer(words(input.value), list, said);
    input.addEventListener("input", go);
    go();
  }

  const filtered = document.getElementById("filter"), searched = document.getElementById("q");
  if (filtered) filter(filtered);
  if (searched && window.paperlibSearch) search(searched);
})();

// The search box for everything: a list below it while one types, chosen from by arrows (the combobox of WAI-ARIA's practices).
"use strict";
(() => {
  const box = document.getElementById("q"), list = document.getElementById("found");
  if (!box || !list) return;
  const { fill, words } = window.yagura;
  const live = document.getElementById("say");
  let asked = null, timer = 0, active = null, shown = null;

  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", "found");
  box.setAttribute("aria-expanded", "false");

  const options = () => [...list.querySelectorAll("[role=option]")];

  function choose(option) {
    active?.setAttribute("aria-selected", "false");
    active = option || null;
    if (!active) { box.removeAttribute("aria-activedescendant"); return; }
    active.setAttribute("aria-selected", "true");
    box.setAttribute("aria-activedescendant", active.id);
    active.scrollIntoView({ block: "nearest" });
  }

  function open(yes) {
    list.hidden = !yes;
    box.setAttribute("aria-expanded", String(yes));
    if (!yes) choose(null);
  }

  // ask fetches the list; an answer that was overtaken is dropped. What is shown stays until the next is there.
  async function ask() {
    const query = box.value.trim();
    asked?.abort();
    if (query === shown) { open(true); return; }
    const mine = asked = new AbortController();
    try {
      const answer = await fetch("/find?q=" + encodeURIComponent(query), {
        signal: mine.signal, headers: { "HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#options" },
      });
      if (!answer.ok || answer.redirected) throw new Error("no list");
      const html = await answer.text();
      if (mine !== asked || document.activeElement !== box) return;
      list.innerHTML = html; // made and escaped by the server
    } catch (problem) {
      if (problem.name !== "AbortError") open(false); // Enter still leads to the page of results
      return;
    }
    shown = query;
    const found = options();
    found.forEach((option, i) => { option.id = "found-option-" + i; });
    open(true);
    choose(query ? found[0] : null);
    if (live && query) live.textContent = found.length ? fill(words().found, found.length) : words().foundNone;
  }

  // go opens what is chosen; who types faster than the list comes is taken to what it will choose.
  async function go() {
    clearTimeout(timer);
    if (box.value.trim() !== shown) await ask();
    if (active && box.value.trim() === shown) location.href = active.href;
    else if (box.value.trim()) box.form.submit();
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(ask, 90);
  }

  box.addEventListener("input", soon);
  box.addEventListener("focus", soon);
  box.addEventListener("blur", () => {
    clearTimeout(timer);
    asked?.abort();
    open(false);
  });
  list.addEventListener("mousedown", e => e.preventDefault()); // the box keeps the focus
  list.addEventListener("mousemove", e => {
    const option = e.target.closest("[role=option]");
    if (option && option !== active) choose(option);
  });

  box.form.addEventListener("submit", e => {
    e.preventDefault();
    go();
  });
  box.addEventListener("keydown", e => {
    if (e.isComposing) return; // arrows belong to the input method
    const all = list.hidden ? [] : options(), at = all.indexOf(active);
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      if (list.hidden) { ask(); return; }
      const last = all.length - 1;
      choose(e.key === "ArrowDown" ? all[at < last ? at + 1 : 0] : all[at > 0 ? at - 1 : last]);
    } else if (e.key === "Escape") {
      e.stopPropagation();
      if (!list.hidden) { e.preventDefault(); open(false); } else if (box.value) { e.preventDefault(); box.value = ""; } else box.blur();
    }
  });
})();

// Lists of records: "f" goes to the words, "c" to the conditions; what cannot be done with all that is ticked is not offered; a long import
// goes on by itself.
"use strict";
(() => {
  const { typing } = window.yagura;

  document.addEventListener("keydown", e => {
    if (e.metaKey || e.ctrlKey || e.altKey || e.defaultPrevented || typing(e.target) || document.querySelector("dialog[open], details.menu[open], .value-menu")) return;
    if (e.key === "f") {
      const words = document.querySelector(".list-find input[type=search]");
      if (words) { e.preventDefault(); words.focus(); words.select(); }
    } else if (e.key === "c") {
      const summary = document.querySelector(".filters details.menu > summary");
      if (summary) { e.preventDefault(); summary.click(); summary.parentElement.querySelector("a")?.focus(); }
    }
  });

  // A panel that has just been opened has the focus already; Escape closes it.
  document.addEventListener("keydown", e => {
    if (e.key !== "Escape") return;
    const panel = e.target.closest?.("[data-panel]");
    const cancel = panel?.querySelector("a.button[href]");
    if (cancel) { e.preventDefault(); location.href = cancel.href; }
  });

  function offer() {
    const states = [...document.querySelectorAll("tr[data-state] td.check input:checked")].map(box => box.closest("tr").dataset.state);
    for (const button of document.querySelectorAll("[data-bulk] button[data-from]")) {
      const from = button.dataset.from.split(" ");
      button.hidden = button.dataset.from !== "" && states.some(state => !from.includes(state));
    }
  }
  for (const event of ["change", "click", "keyup"]) document.addEventListener(event, offer);
  offer();

  const go = document.querySelector("form[data-go]");
  if (go) setTimeout(() => go.requestSubmit(), 100);
})();

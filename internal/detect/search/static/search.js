// The search page: its box by keyboard, the list of fields, and events as they arrive.
"use strict";
(() => {
  const { typing } = window.yagura;
  const box = document.getElementById("search-query");
  if (!box) return;

  box.addEventListener("keydown", e => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); box.form.requestSubmit(); }
    else if (e.key === "Escape") box.blur();
  });
  // "/" is this box's here; Ctrl+K stays that of the box in the top bar.
  document.addEventListener("keydown", e => {
    const slash = e.key === "/" && !e.metaKey && !e.ctrlKey && !e.altKey && !typing(e.target);
    if (!slash || document.querySelector("dialog[open]")) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }, true);

  const help = document.getElementById("search-help"), opener = document.getElementById("search-help-open");
  opener.addEventListener("click", () => {
    help.hidden = !help.hidden;
    opener.setAttribute("aria-expanded", String(!help.hidden));
  });

  // Where fields stand above the rows they begin closed.
  if (innerWidth <= 1000) document.getElementById("search-fields-box")?.removeAttribute("open");
  document.addEventListener("input", e => {
    if (!e.target.matches(".search-field-filter")) return;
    const wanted = e.target.value.trim().toLowerCase();
    for (const li of document.querySelectorAll(".search-fields > li")) li.hidden = !li.dataset.name.toLowerCase().includes(wanted);
  });
  document.addEventListener("htmx:after:swap", () => document.getElementById("bars")?.removeAttribute("aria-busy"));

  // Live: rows are put on top as they come; so many stay.
  const live = document.getElementById("search-live"), state = document.getElementById("search-state");
  const kept = 500;
  let stream = null, came = 0, missed = 0;

  function tell(text) {
    state.textContent = text ?? state.dataset.live.replace("#", came) + (missed ? " · " + state.dataset.missed.replace("#", missed) : "");
  }

  function put(row) {
    const table = document.getElementById("search-rows"), body = table?.querySelector("tbody");
    if (!body) return;
    table.hidden = false;
    document.getElementById("search-nothing")?.remove();
    const tr = document.getElementById("search-row").content.firstElementChild.cloneNode(true);
    tr.dataset.href = row.href;
    tr.className = "fresh";
    setTimeout(() => tr.classList.remove("fresh"), 3000);
    const time = tr.querySelector("time"), link = tr.querySelector("a");
    time.dateTime = row.iso;
    time.title = row.exact;
    time.textContent = row.time;
    link.href = row.href;
    link.textContent = row.message || "–";
    const values = { "host.name": row.host, "user.name": row.user, "event.dataset": row.dataset };
    for (const button of tr.querySelectorAll("button.value")) {
      const value = values[button.dataset.field];
      if (!value) { button.replaceWith(Object.assign(document.createElement("span"), { className: "none", textContent: "–" })); continue; }
      button.dataset.value = button.textContent = value;
      button.title = button.dataset.field;
    }
    body.prepend(tr);
    while (body.rows.length > kept) body.lastElementChild.remove();
  }

  function stop(text = "") {
    stream?.close();
    stream = null;
    live.setAttribute("aria-pressed", "false");
    tell(text);
  }

  function start() {
    came = missed = 0;
    live.setAttribute("aria-pressed", "true");
    stream = new EventSource(live.dataset.src);
    stream.addEventListener("open", () => tell());
    stream.addEventListener("row", e => { came++; put(JSON.parse(e.data)); tell(); });
    stream.addEventListener("missed", e => { missed = Number(e.data); tell(); });
    stream.addEventListener("error", () => {
      if (stream?.readyState === EventSource.CLOSED) stop(state.dataset.ended); else tell(state.dataset.lost);
    });
  }
  live?.addEventListener("click", () => { if (stream) stop(); else start(); });
  addEventListener("pagehide", () => stream?.close());
})();

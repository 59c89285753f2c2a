// Lists by keyboard: j and k move, x selects, Enter opens beside the list, o opens in full. The open row stands in the address.
"use strict";
(() => {
  const { words, fill, typing } = window.yagura;
  const side = document.getElementById("side");
  let cursor = null; // the row that keys act on
  let opened = null; // the row whose page stands in the side panel

  const rows = () => [...document.querySelectorAll("table[data-list] tbody tr[data-href], ul[data-list] > li[data-href]")].filter(r => r.offsetParent);

  // What has no room for a panel, or leads to a list and not to a thing, opens as a page.
  const inFull = row => !side || innerWidth <= 1000 || row.closest("[data-full]");

  function move(to) {
    if (!to) return;
    cursor?.classList.remove("cursor");
    cursor = to;
    cursor.classList.add("cursor");
    const bar = document.querySelector(".top")?.offsetHeight || 0;
    const box = cursor.getBoundingClientRect();
    if (box.top < bar + 40) window.scrollBy(0, box.top - bar - 40);
    else if (box.bottom > innerHeight - 8) window.scrollBy(0, box.bottom - innerHeight + 8);
    (cursor.querySelector("a[href]") || cursor).focus({ preventScroll: true });
  }

  function step(by) {
    const list = rows();
    const at = cursor?.isConnected ? list.indexOf(cursor) : -1;
    move(at < 0 ? list[by > 0 ? 0 : list.length - 1] : list[Math.min(Math.max(at + by, 0), list.length - 1)]);
    if (opened && cursor && cursor !== opened) show(cursor);
  }

  function show(row) {
    if (inFull(row)) { location.href = row.dataset.href; return; }
    opened?.classList.remove("opened");
    opened = row;
    row.classList.add("opened");
    side.hidden = false;
    document.body.classList.add("side-shown");
    document.getElementById("side-open").href = row.dataset.href;
    if (row.id) history.replaceState(history.state, "", location.pathname + location.search + "#" + row.id);
    window.htmx.ajax("GET", row.dataset.href, { source: "#panel", target: "#panel", swap: "innerHTML" });
  }

  function close() {
    if (!side || side.hidden) return false;
    side.hidden = true;
    document.body.classList.remove("side-shown");
    opened?.classList.remove("opened");
    (opened?.querySelector("a[href]") || opened)?.focus?.({ preventScroll: true });
    opened = null;
    history.replaceState(history.state, "", location.pathname + location.search);
    return true;
  }

  // What is ticked, and the bar that acts on it.
  function count() {
    const boxes = [...document.querySelectorAll("table[data-list] tbody td.check input[type=checkbox]")];
    const chosen = boxes.filter(b => b.checked).length;
    for (const box of boxes) box.closest("tr").classList.toggle("chosen", box.checked);
    for (const all of document.querySelectorAll("[data-all]")) {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    }
    for (const bulk of document.querySelectorAll("[data-bulk]")) {
      bulk.classList.toggle("shown", chosen > 0);
      const out = bulk.querySelector("[data-count]");
      if (out) out.textContent = fill(words().selected, chosen);
    }
  }

  function tick(row) {
    const box = row?.querySelector("td.check input[type=checkbox]");
    if (!box) return;
    box.checked = !box.checked;
    count();
  }

  let lastBox = null;
  document.addEventListener("click", e => {
    if (e.target.closest("#side-close")) { close(); return; }
    const box = e.target.closest("td.check input[type=checkbox]");
    if (box) {
      const boxes = [...box.closest("tbody").querySelectorAll("td.check input[type=checkbox]")];
      if (e.shiftKey && lastBox?.isConnected) {
        const [a, b] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((x, y) => x - y);
        for (const between of boxes.slice(a, b + 1)) between.checked = box.checked;
      }
      lastBox = box;
      count();
      return;
    }
    const row = e.target.closest("[data-list] [data-href]");
    if (!row || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey) return;
    const inner = e.target.closest("a, button, input, select, label, summary");
    if (inner && !(inner.matches("a") && inner.getAttribute("href") === row.dataset.href)) return;
    if (String(getSelection())) return; // somebody marks text
    if (row === opened || inFull(row)) { if (!inner) location.href = row.dataset.href; return; }
    e.preventDefault();
    move(row);
    show(row);
  });

  document.addEventListener("change", e => {
    if (!e.target.matches("[data-all]")) return;
    for (const box of e.target.closest("table").querySelectorAll("tbody td.check input[type=checkbox]")) box.checked = e.target.checked;
    count();
  });

  document.addEventListener("keydown", e => {
    if (e.metaKey || e.ctrlKey || e.altKey || e.defaultPrevented || typing(e.target) || document.querySelector("dialog[open], details.menu[open], .value-menu")) return;
    if (e.key === "Escape" && close()) return;
    if (!rows().length) return;
    const current = cursor?.isConnected ? cursor : null;
    if (e.key === "j" || e.key === "k") { e.preventDefault(); step(e.key === "j" ? 1 : -1); }
    else if (e.key === "x") { e.preventDefault(); tick(current || rows()[0]); }
    else if (e.key === "o" && current) location.href = current.dataset.href;
    else if (e.key === "Enter" && current && (e.target === document.body || current.contains(e.target) && !e.target.closest("button, input, summary"))) {
      e.preventDefault();
      if (current === opened) location.href = current.dataset.href; else show(current);
    }
  });

  document.addEventListener("htmx:after:swap", () => { count(); window.yagura.draw?.(); });
  addEventListener("pageshow", count);
  if (location.hash.length > 1) {
    const row = rows().find(r => r.id === decodeURIComponent(location.hash.slice(1)));
    if (row) { move(row); show(row); }
  }
  count();
})();

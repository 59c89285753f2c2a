// The menu of a value that came from a log: search for it, filter by it, copy it.
"use strict";
(() => {
  const { words, copy } = window.yagura;
  let menu = null, owner = null;

  const quote = text => '"' + text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\t/g, "\\t") + '"';
  const named = field => /^[\w.@]+$/.test(field) ? field : quote(field);

  // headLength is where a query's first pipe stands: one that stands in no quotes, no brackets and no comment.
  function headLength(query) {
    const inner = /"(?:[^"\\]|\\[^])*("|$)|'(?:[^'\\]|\\[^])*('|$)|`[^`]*(`|$)|#.*|[()[\]{}|]/g;
    let depth = 0;
    for (const m of query.matchAll(inner)) {
      if ("([{".includes(m[0])) depth++;
      else if (")]}".includes(m[0])) depth--;
      else if (m[0] === "|" && depth <= 0) return m.index;
    }
    return query.length;
  }

  // narrow joins a filter to a query as the server does: in front of its pipes, beside what it filters by already.
  function narrow(query, filter) {
    const cut = headLength(query), pipes = query.slice(cut);
    let head = query.slice(0, cut).trim();
    if (!head || head === "*") return (filter + " " + pipes).trim();
    const gap = head.includes("#") ? "\n" : ""; // a comment ends with its line
    if (/\bor\b/i.test(head)) head = "(" + head + gap + ")";
    return (head + (gap || " ") + filter + " " + pipes).trim();
  }

  // address of a search: the filter, joined to what is searched for now or alone, in the time that the page searches, else the
  // time that the value is of.
  function address(filter, join) {
    const now = new URLSearchParams(location.search), next = new URLSearchParams();
    const here = location.pathname === "/search" && now.get("q") || "";
    next.set("q", join ? narrow(here, filter) : filter);
    const of = location.pathname === "/search" ? null : owner.closest("[data-start]")?.dataset;
    if (of) { next.set("start", of.start); next.set("end", of.end); }
    else for (const name of ["since", "start", "end"]) if (now.get(name)) next.set(name, now.get(name));
    return "/search?" + next;
  }

  function item(label, act) {
    const el = document.createElement(typeof act === "string" ? "a" : "button");
    el.setAttribute("role", "menuitem");
    el.textContent = label;
    if (typeof act === "string") el.href = act;
    else { el.type = "button"; el.addEventListener("click", () => { close(); act(); }); }
    return el;
  }

  function open(button) {
    close();
    owner = button;
    const { field, value } = button.dataset, w = words();
    menu = document.createElement("div");
    menu.className = "value-menu";
    menu.setAttribute("role", "menu");
    const head = document.createElement("p");
    head.className = "mono";
    const name = document.createElement("span");
    name.className = "muted";
    name.textContent = field;
    head.append(name, document.createElement("br"), document.createTextNode(button.textContent.length > 200 ? button.textContent.slice(0, 200) + "…" : button.textContent));
    menu.append(head);
    if (document.getElementById("q")) {
      const exact = named(field) + ":=" + quote(value);
      menu.append(item(w.search, address(exact, false)));
      if (location.pathname === "/search") menu.append(item(w.in, address(exact, true)), item(w.out, address("!" + exact, true)));
      menu.append(item(w.anywhere, address(quote(value), false)));
    }
    menu.append(item(w.copy, () => copy(value)));
    button.setAttribute("aria-expanded", "true");
    (button.closest("dialog") || document.body).append(menu);
    const at = button.getBoundingClientRect();
    menu.style.left = Math.max(8, Math.min(at.left, innerWidth - menu.offsetWidth - 8)) + "px";
    const below = at.bottom + 4;
    menu.style.top = (below + menu.offsetHeight > innerHeight ? Math.max(8, at.top - menu.offsetHeight - 4) : below) + "px";
    menu.querySelector("[role=menuitem]").focus();
  }

  function close(back) {
    if (!menu) return;
    menu.remove();
    menu = null;
    owner?.removeAttribute("aria-expanded");
    if (back) owner?.focus();
  }

  document.addEventListener("click", e => {
    const button = e.target.closest("button.value");
    if (button) {
      e.preventDefault();
      if (menu && owner === button) close(true); else open(button);
    } else if (!e.target.closest(".value-menu")) close();
  });
  document.addEventListener("keydown", e => {
    if (!menu) return;
    const items = [...menu.querySelectorAll("[role=menuitem]")], at = items.indexOf(document.activeElement);
    if (e.key === "Escape") { e.preventDefault(); e.stopPropagation(); close(true); }
    else if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      items[(at + (e.key === "ArrowDown" ? 1 : items.length - 1)) % items.length].focus();
    } else if (e.key === "Tab") close();
  }, true);
  addEventListener("scroll", e => { if (e.target.contains(owner)) close(); }, { passive: true, capture: true });
  addEventListener("resize", () => close());
})();

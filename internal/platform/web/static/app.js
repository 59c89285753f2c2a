// What every page does: the rail on small screens, keys, menus, confirmations, times that stay true, messages.
"use strict";
(() => {
  const root = document.documentElement;
  const words = () => document.getElementById("words").dataset;
  const fill = (text, value) => text.replace("{0}", value);

  // say speaks a line: shown for a while, and read out by screen readers.
  function say(text, kind = "good") {
    const live = document.getElementById("say");
    if (live) live.textContent = text;
    document.querySelectorAll(".toast").forEach(t => t.remove());
    const toast = document.createElement("div");
    toast.className = "toast toast-" + kind;
    toast.textContent = text;
    document.body.append(toast);
    setTimeout(() => toast.remove(), kind === "bad" ? 10000 : 4000);
  }

  // ask shows a sentence and resolves to whether it was agreed to. word, where given, must be typed first.
  function ask(sentence, doLabel, word) {
    return new Promise(resolve => {
      const dialog = document.createElement("dialog");
      const form = document.createElement("form");
      form.method = "dialog";
      const text = document.createElement("p");
      text.textContent = sentence;
      form.append(text);
      const go = document.createElement("button");
      go.className = "button danger";
      go.value = "yes";
      go.textContent = doLabel || words().ok;
      if (word) {
        const label = document.createElement("label");
        label.textContent = fill(words().type, word);
        const input = document.createElement("input");
        input.autocomplete = "off";
        input.addEventListener("input", () => { go.disabled = input.value !== word; });
        label.append(input);
        form.append(label);
        go.disabled = true;
      }
      const cancel = document.createElement("button");
      cancel.className = "button";
      cancel.value = "";
      cancel.formNoValidate = true;
      cancel.textContent = words().cancel;
      const row = document.createElement("div");
      row.className = "actions";
      row.append(cancel, go);
      form.append(row);
      dialog.append(form);
      dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
      document.body.append(dialog);
      dialog.showModal();
      (dialog.querySelector("input") || cancel).focus();
    });
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without HTTPS browsers refuse the clipboard; the old way still works.
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "visually-hidden";
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    say(words().copied);
  }

  // The clock of the browser is the reader's unless they chose a zone; the next page uses it.
  const keep = (name, value) => { document.cookie = name + "=" + encodeURIComponent(value) + ";path=/;max-age=31536000;samesite=lax" + (location.protocol === "https:" ? ";secure" : ""); };
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.split("; ").includes("yagura_clock=" + encodeURIComponent(zone))) keep("yagura_clock", zone);

  // A page that stays open keeps its distances in time true.
  function refreshTimes() {
    const w = words(), now = Date.now();
    for (const el of document.querySelectorAll("time.ago")) {
      const seconds = Math.floor((now - Date.parse(el.dateTime)) / 1000);
      if (!(seconds >= 0) || seconds >= 7 * 86400) continue;
      const [key, n] = seconds < 60 ? ["seconds", seconds] : seconds < 3600 ? ["minutes", Math.floor(seconds / 60)]
        : seconds < 86400 ? ["hours", Math.floor(seconds / 3600)] : ["days", Math.floor(seconds / 86400)];
      const text = seconds < 5 ? w.agoNow : fill(w.agoPast, fill(w[key], n));
      if (el.textContent !== text) el.textContent = text;
    }
  }
  setInterval(() => { if (!document.hidden) refreshTimes(); }, 10000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshTimes(); });

  // The names of all zones are the browser's to know.
  for (const list of document.querySelectorAll("datalist[data-zones]")) {
    for (const zone of Intl.supportedValuesOf?.("timeZone") || []) list.append(Object.assign(document.createElement("option"), { value: zone }));
  }

  function openRail(open) {
    document.body.classList.toggle("rail-shown", open);
    const button = document.querySelector(".rail-open");
    if (button) button.setAttribute("aria-expanded", String(open));
    if (open) document.querySelector("#rail a[aria-current], #rail a")?.focus();
  }

  // foldRail takes the words away from the rail or gives them back, at once, and has the choice kept.
  function foldRail(button) {
    const narrow = root.dataset.rail !== "narrow";
    if (narrow) root.dataset.rail = "narrow"; else delete root.dataset.rail;
    button.setAttribute("aria-pressed", String(narrow));
    button.value = narrow ? "" : "narrow";
    fetch("/preferences", { method: "POST", body: new URLSearchParams({ rail: narrow ? "narrow" : "", next: "/" }), redirect: "manual" });
  }

  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
  }

  function showKeys() {
    const dialog = document.createElement("dialog");
    dialog.append(document.getElementById("keys").content.cloneNode(true));
    dialog.id = "help";
    dialog.setAttribute("aria-label", dialog.querySelector("h2").textContent);
    const close = document.createElement("button");
    close.className = "button";
    close.textContent = words().close;
    close.addEventListener("click", () => dialog.close());
    dialog.append(close);
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", e => { if (e.target === dialog) dialog.close(); });
    document.body.append(dialog);
    dialog.showModal();
  }

  const typing = el => el.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");

  document.addEventListener("click", e => {
    const menu = e.target.closest("details.menu");
    closeMenus(menu);
    if (menu && e.target.closest(".menu-items a, .menu-items button:not(.keep)")) setTimeout(() => { menu.open = false; });
    if (e.target.closest(".rail-open")) openRail(!document.body.classList.contains("rail-shown"));
    if (e.target.closest("[data-rail-close]")) openRail(false);
    if (e.target.closest("[data-keys-help]") && !e.ctrlKey && !e.metaKey) { e.preventDefault(); showKeys(); }
    const fold = e.target.closest("[data-rail-fold]");
    if (fold) { e.preventDefault(); foldRail(fold); }
    const copied = e.target.closest("[data-copy]");
    if (copied) copy(copied.dataset.copy);
  });

  document.addEventListener("keydown", e => {
    const search = document.getElementById("q");
    if ((e.metaKey || e.ctrlKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === "k" && search) {
      e.preventDefault();
      search.focus();
      search.select();
      return;
    }
    if (e.key === "Escape") {
      const menu = document.querySelector("details.menu[open]");
      if (menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      } else if (document.body.classList.contains("rail-shown")) {
        openRail(false);
        document.querySelector(".rail-open").focus();
      }
      return;
    }
    if (e.metaKey || e.ctrlKey || e.altKey || typing(e.target) || document.querySelector("dialog[open]")) return;
    if (e.key === "/" && search) {
      e.preventDefault();
      search.focus();
      search.select();
    }
    if (e.key === "?") showKeys();
  });

  document.addEventListener("change", e => {
    if (e.target.matches("[data-submit]")) e.target.form.requestSubmit();
  });

  // A form that asks first: data-confirm is the sentence.
  document.addEventListener("submit", async e => {
    const asks = e.submitter?.matches("[data-confirm]") ? e.submitter : e.target.closest("[data-confirm]");
    if (!asks || asks.dataset.agreed) return;
    e.preventDefault();
    e.stopImmediatePropagation();
    if (!await ask(asks.dataset.confirm, asks.dataset.confirmDo, asks.dataset.confirmWord)) return;
    asks.dataset.agreed = "yes";
    e.target.requestSubmit(e.submitter);
    delete asks.dataset.agreed;
  }, true);

  document.addEventListener("htmx:confirm", e => {
    const sentence = e.detail.ctx?.confirm;
    if (!sentence) return;
    e.preventDefault();
    ask(sentence, e.target.dataset?.confirmDo).then(yes => yes ? e.detail.issueRequest() : e.detail.dropRequest());
  });

  // What goes wrong behind a page is said; what is shown stays.
  document.addEventListener("htmx:response:error", e => {
    const ctx = e.detail.ctx;
    if (e.target.closest?.("[data-quiet]")) return; // nobody asked for it
    if (ctx.response.status === 422) return; // a form with its errors comes in place
    let text = words().failed;
    try { text = JSON.parse(ctx.text).message || text; } catch { /* no problem+json: the plain words do */ }
    say(text, "bad");
  });
  document.addEventListener("htmx:error", e => { if (!e.target.closest?.("[data-quiet]") && e.detail.ctx && !e.detail.ctx.response) say(words().offline, "bad"); });
  document.addEventListener("htmx:after:swap", refreshTimes);

  // On a small screen the part that is open may lie beyond the edge.
  for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
    const bar = tab.parentElement;
    if (tab.offsetLeft + tab.offsetWidth > bar.offsetLeft + bar.clientWidth) bar.scrollLeft = tab.offsetLeft - bar.offsetLeft - 40;
  }

  const apple = /Mac|iPhone|iPad/.test(navigator.platform);
  if (apple) for (const key of document.querySelectorAll(".top-search .key")) key.textContent = "⌘K";

  window.yagura = { say, ask, copy, words, fill, typing };
})();

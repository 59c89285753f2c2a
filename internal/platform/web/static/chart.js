// Histograms: bars over time that can be brushed. uPlot is loaded only by pages that have one.
"use strict";
(() => {
  const root = document.documentElement;
  let loading = null;

  function load() {
    loading ||= new Promise((done, failed) => {
      const style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = root.dataset.uplotStyle;
      const script = document.createElement("script");
      script.src = root.dataset.uplot;
      script.onload = done;
      script.onerror = failed;
      document.head.append(style, script);
    });
    return loading;
  }

  // token is a colour as the theme in force has it; canvas does not know light-dark().
  function token(name) {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  }
  // Groups that are no severities take these in turn; the sixth, grey, suits the rest of them.
  const groups = ["--chart", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
  const colours = { critical: "--critical", high: "--high", medium: "--medium", low: "--low", informational: "--info" };

  // clock writes a moment in the reader's zone as short as the width of the range allows.
  function clock(zone, span) {
    const f = new Intl.DateTimeFormat("en-GB", { timeZone: zone === "Local" ? undefined : zone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    return seconds => {
      const p = Object.fromEntries(f.formatToParts(seconds * 1000).map(x => [x.type, x.value]));
      if (span === 0) return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}`;
      if (span > 4 * 86400) return `${p.month}-${p.day}`;
      if (span > 86400 || p.hour + p.minute === "0000") return p.hour + p.minute === "0000" ? `${p.month}-${p.day}` : `${p.hour}:${p.minute}`;
      return span < 300 ? `${p.hour}:${p.minute}:${p.second}` : `${p.hour}:${p.minute}`;
    };
  }

  function draw(box) {
    const h = JSON.parse(box.dataset.histogram);
    const steps = Math.max(0, ...h.series.map(s => s.counts.length));
    if (!steps) return;
    const xs = Array.from({ length: steps }, (_, i) => h.start + i * h.step);
    // Stacked: each series is drawn as the sum of itself and those below, the tallest first.
    const sums = [];
    h.series.forEach((s, n) => sums.push(xs.map((_, i) => (s.counts[i] || 0) + (n ? sums[n - 1][i] : 0))));
    const order = h.series.map((_, n) => n).reverse();
    const end = h.start + steps * h.step, full = clock(h.zone, 0), short = clock(h.zone, end - h.start);
    const colour = n => token(colours[h.series[n].level] || groups[n % groups.length]);
    const number = new Intl.NumberFormat("en");
    const tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;
    const row = (s, i) => {
      const line = document.createElement("span"), key = document.createElement("i");
      key.style.background = colour(h.series.indexOf(s));
      line.append(key, s.label + " " + number.format(s.counts[i] || 0));
      return line;
    };
    box.replaceChildren();
    box.append(tip);
    const plot = new window.uPlot({
      width: box.clientWidth, height: 96, padding: [6, 0, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: !!h.brush, y: false, setScale: false } },
      scales: { x: { time: false, range: [h.start, end] }, y: { range: (u, min, max) => [0, Math.max(max, 1) * 1.05] } },
      axes: [
        { stroke: token("--ink-3"), grid: { show: false }, ticks: { show: false }, size: 20, gap: 2, font: "11px system-ui", space: 72,
          splits: () => ticks(h.start, end, box.clientWidth, h.zone), values: (u, vs) => vs.map(short) },
        { stroke: token("--ink-3"), grid: { stroke: token("--line"), width: 1 }, ticks: { show: false }, size: 44, gap: 4, font: "11px system-ui", space: 32,
          values: (u, vs) => vs.map(v => v % 1 ? "" : v >= 1e6 ? v / 1e6 + "M" : v >= 1e4 ? v / 1e3 + "k" : number.format(v)) },
      ],
      series: [{}, ...order.map(n => ({ fill: colour(n), width: 0, points: { show: false },
        paths: window.uPlot.paths.bars({ size: [0.86, 60], align: 1 }) }))],
      hooks: {
        setCursor: [u => {
          const i = u.cursor.idx;
          tip.hidden = i == null || u.cursor.left < 0;
          if (tip.hidden) return;
          tip.replaceChildren(Object.assign(document.createElement("b"), { textContent: full(xs[i]) }),
            ...h.series.filter(s => s.counts[i] || h.series.length === 1).map(s => row(s, i)));
          tip.style.left = Math.min(Math.max(0, u.cursor.left + 56), box.clientWidth - tip.offsetWidth) + "px";
        }],
        setSelect: [u => {
          if (!h.brush || u.select.width < 3) return;
          const snap = (v, up) => h.start + (up ? Math.ceil : Math.floor)((v - h.start) / h.step) * h.step;
          const from = snap(u.posToVal(u.select.left, "x"), false), to = snap(u.posToVal(u.select.left + u.select.width, "x"), true);
          const next = new URL(h.brush, location.href);
          next.searchParams.delete("since");
          next.searchParams.set("start", new Date(from * 1000).toISOString());
          next.searchParams.set("end", new Date(to * 1000).toISOString());
          location.href = next;
        }],
      },
    }, [xs, ...order.map(n => sums[n])], box);
    const sized = new ResizeObserver(() => {
      if (!plot.root.isConnected) sized.disconnect(); // drawn anew in other colours
      else if (box.clientWidth) plot.setSize({ width: box.clientWidth, height: 96 });
    });
    sized.observe(box);
  }

  // ticks stand on whole units of the reader's clock.
  function ticks(start, end, width, zone) {
    const room = Math.max(2, Math.floor(width / 90)), units = [1, 5, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000];
    const unit = units.find(u => (end - start) / u <= room) || units.at(-1);
    const shift = offset(start, zone), list = [];
    const last = end - (end - start) * 16 / width; // a label nearer to the edge would be cut
    for (let t = Math.ceil((start + shift) / unit) * unit - shift; t < last; t += unit) list.push(t);
    return list;
  }

  // offset of the zone from UTC in seconds, at the start; one change of clocks within the range moves ticks by an hour.
  function offset(seconds, zone) {
    const f = new Intl.DateTimeFormat("en-GB", { timeZone: zone === "Local" ? undefined : zone, year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" });
    const p = Object.fromEntries(f.formatToParts(seconds * 1000).map(x => [x.type, +x.value]));
    return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) / 1000 - Math.floor(seconds);
  }

  async function drawAll() {
    const boxes = [...document.querySelectorAll("[data-histogram]:not([data-drawn])")];
    if (!boxes.length) return;
    await load();
    for (const box of boxes) { box.dataset.drawn = "yes"; draw(box); }
  }

  window.yagura.draw = drawAll;
  // The colours follow the system's change between light and dark.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const box of document.querySelectorAll("[data-drawn]")) delete box.dataset.drawn;
    drawAll();
  });
  drawAll();
})();

"use strict";
// Training curves and accuracy by target length, drawn by uPlot.
(() => {
  const { data, colour, dash, css, visible, make, figure } = report;
  const hidden = new Set(), charts = [];
  let active = null;
  const faded = (hex) => hex + "2e";

  function options(chart, width) {
    const points = (i) => chart.lines[i].mean.filter((value) => value !== null).length < 30;
    const series = [{}], bands = [];
    chart.lines.forEach((line, i) => {
      const show = !hidden.has(line.variant), stroke = colour(line.variant);
      series.push({ label: line.variant, stroke, width: 2, dash: dash(line.variant), show, spanGaps: true, points: { show: points(i), size: 5, fill: stroke } });
      const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true, show };
      series.push({ ...edge, label: "maximum" }, { ...edge, label: "minimum" });
      if (line.seeds > 1) bands.push({ series: [series.length - 2, series.length - 1], fill: faded(stroke) });
    });
    const axis = { stroke: css("--faint"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    const isFraction = /accuracy|share|exact|rate$/.test(chart.name) && chart.name !== "learning_rate";
    return {
      width, height: 190, series, bands, padding: [8, 18, 0, 0],
      legend: { show: false },
      cursor: { sync: chart.sync ? { key: chart.sync } : undefined, drag: { x: true, y: false }, points: { size: 7 } },
      scales: { x: { time: false, range: chart.range }, y: { distr: chart.log ? 3 : 1, range: chart.log ? undefined : (u, low, high) => range(low, high, isFraction) } },
      axes: [
        { ...axis, size: 30, space: 60, values: chart.labels ? (u, ticks) => ticks.map((at) => chart.labels[at] ?? "") : undefined, splits: chart.labels ? () => chart.labels.map((_, i) => i) : undefined },
        { ...axis, size: 52, values: (u, ticks) => ticks.map((tick) => (tick === null ? "" : String(Number(tick.toPrecision(4))))) },
      ],
      hooks: { setCursor: [(u) => showTip(chart, u)] },
    };
  }
  function range(low, high, isFraction) {
    if (low === null) return [0, 1];
    if (isFraction && low >= 0 && high <= 1) return [0, 1.02];
    const pad = (high - low || Math.abs(high) || 1) * 0.06;
    return [low >= 0 && low - pad * 3 < 0 ? 0 : low - pad, high + pad];
  }
  function showTip(chart, u) {
    const i = u.cursor.idx;
    if (i === null || i === undefined || chart !== active) { chart.tip.replaceChildren(); return; }
    const parts = [make("p", {}, make("b", {}, chart.labels ? `length ${chart.labels[i]}` : `step ${chart.xs[i].toLocaleString("en")}`))];
    const there = chart.lines.filter((line) => !hidden.has(line.variant) && line.mean[i] !== null);
    for (const line of there.sort((a, b) => b.mean[i] - a.mean[i])) {
      const spread = line.seeds > 1 && line.low[i] !== line.high[i] ? ` (${figure(line.low[i])} – ${figure(line.high[i])})` : "";
      const dot = make("i", { class: "swatch" });
      dot.style.background = colour(line.variant);
      parts.push(make("p", {}, dot, make("b", {}, figure(line.mean[i])), ` ${visible(line.variant)}${spread}`));
    }
    if (!there.length) { chart.tip.replaceChildren(); return; }
    chart.tip.replaceChildren(...parts);
    const left = u.valToPos(chart.xs[i], "x") + 52, before = left > chart.plot.clientWidth / 2;
    chart.tip.style.left = before ? "" : `${left + 12}px`;
    chart.tip.style.right = before ? `${chart.plot.clientWidth - left + 12}px` : "";
  }
  function draw(chart) {
    const width = Math.max(120, chart.plot.clientWidth);
    chart.uplot?.destroy();
    const columns = [chart.xs, ...chart.lines.flatMap((line) => [line.mean, line.high, line.low])];
    chart.uplot = new uPlot(options(chart, width), columns, chart.plot);
  }
  function add(chart, place) {
    chart.tip = make("div", { class: "tip", "aria-live": "polite" });
    const ends = chart.lines.map((line) => `${visible(line.variant)} ${figure(line.mean.findLast((value) => value !== null) ?? NaN)}`);
    const hint = `final values: ${ends.join(", ")}`;
    chart.plot = make("div", { class: "plot", tabindex: "0", role: "group", "aria-label": `${chart.title}; ${hint}; use the arrow keys to move along the chart` });
    const caption = make("figcaption", {}, chart.title);
    if (/loss/.test(chart.name) && chart.lines.every((line) => line.low.every((value) => value === null || value > 0))) {
      const button = make("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "log");
      button.addEventListener("click", () => { chart.log = !chart.log; button.setAttribute("aria-pressed", String(chart.log)); button.textContent = chart.log ? "linear" : "log"; draw(chart); });
      caption.append(button);
    }
    place.append(make("figure", { class: "chart" }, caption, make("p", { class: "ends" }, chart.lines.length > 3 ? "" : hint), chart.plot));
    chart.plot.append(chart.tip);
    const here = () => { active = chart; };
    chart.plot.addEventListener("pointerenter", here);
    chart.plot.addEventListener("focus", here);
    chart.plot.addEventListener("blur", () => chart.tip.replaceChildren());
    chart.plot.addEventListener("keydown", (event) => {
      const last = chart.xs.length - 1, now = chart.uplot.cursor.idx ?? -1;
      const to = { ArrowRight: Math.min(last, now + 1), ArrowLeft: Math.max(0, now - 1), Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const left = chart.uplot.valToPos(chart.xs[to], "x");
      chart.uplot.setCursor({ left, top: 20 });
    });
    charts.push(chart);
    draw(chart);
    new ResizeObserver(() => {
      const width = Math.max(120, chart.plot.clientWidth);
      if (Math.abs(width - chart.uplot.width) > 1) chart.uplot.setSize({ width, height: 190 });
    }).observe(chart.plot);
  }
  const redraw = () => charts.forEach(draw);

  const place = document.getElementById("charts"), legend = document.getElementById("legend");
  for (const curve of data.curves) add({ ...curve, xs: curve.steps, sync: "steps", log: false }, place);
  if (!data.curves.length) place.append(make("p", { class: "caption" }, "No curves are available yet."));
  for (const variant of data.curves.length ? data.variants : []) {
    const swatch = make("i", { class: "swatch", "data-variant": variant });
    const button = make("button", { type: "button", class: "chip", "aria-pressed": "true" }, swatch, make("bdi", {}, visible(variant)));
    button.addEventListener("click", () => {
      if (!hidden.delete(variant)) hidden.add(variant);
      button.setAttribute("aria-pressed", String(!hidden.has(variant)));
      redraw();
    });
    legend.append(button);
  }

  const lengths = document.getElementById("length-charts");
  const labels = [...new Set(Object.values(data.lengths).flatMap((rows) => rows.map((row) => row.label)))].sort((a, b) => parseInt(a) - parseInt(b));
  if (lengths && labels.length > 2) {
    for (const [key, title] of [["exact", "Sequence accuracy by target length"], ["symbols", "Symbol accuracy by target length"]]) {
      const lines = Object.entries(data.lengths).map(([variant, rows]) => {
        const at = (how) => labels.map((label) => { const row = rows.find((one) => one.label === label); return row ? how(row[key]) : null; });
        return { variant, seeds: rows[0][key].length, mean: at((all) => all.reduce((a, b) => a + b, 0) / all.length), low: at((all) => Math.min(...all)), high: at((all) => Math.max(...all)) };
      });
      add({ name: `${key} accuracy`, title, xs: labels.map((_, i) => i), labels, lines, range: () => [-0.3, labels.length - 0.7] }, lengths);
    }
  }
  report.onPaint(redraw);
})();

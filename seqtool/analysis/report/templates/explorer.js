"use strict";
// The alignment explorer: the attention weights of every example, head and training step.
(() => {
  const { data, ramp, inkOn, visible, make, css } = report;
  const $ = (id) => document.getElementById(id);
  const root = $("explorer");
  if (!root) return;
  const FINAL = -1, LEAST_DARKEST = 0.25;
  const unpacked = new Map();
  const at = { model: 0, example: 0, head: -1, view: 0, target: 0, source: -1 };
  let seed = null, timer = null;

  async function unpack(i) {
    if (!unpacked.has(i)) unpacked.set(i, inflate(i));
    return unpacked.get(i);
  }
  async function inflate(i) {
    const packed = Uint8Array.from(atob($(`packed-${i}`).textContent), (one) => one.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const length = new DataView(bytes.buffer).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    return { ...header, bytes: bytes.subarray(4 + length) };
  }

  const example = () => seed.examples[at.example];
  const currentViews = () => seed.views[at.example] ?? [];
  const currentView = () => currentViews()[at.view];
  const shownTarget = (view) => (view && view.step !== FINAL ? example().target : (example().predicted ?? example().target));
  const symbol = (number) => seed.symbols[number];
  const quoted = (number) => make("bdi", {}, `“${shortened(visible(symbol(number)), 24)}”`);

  // weights [T, S] of one head, or the mean over heads
  function weightsOf(from, view, head) {
    const [heads, steps, memory] = view.shape, size = steps * memory, found = new Float32Array(size);
    const chosen = head < 0 ? [...Array(heads).keys()] : [Math.min(head, heads - 1)];
    for (const one of chosen) {
      const scale = view.scale[one] / 255 / chosen.length, start = view.at + one * size;
      for (let i = 0; i < size; i++) found[i] += from.bytes[start + i] * scale;
    }
    return found;
  }
  const darkestOf = (weights) => weights.reduce((most, one) => Math.max(most, one), LEAST_DARKEST);
  const shade = (value, darkest) => ramp(value / darkest);
  const rgb = (parts) => `rgb(${parts.join(" ")})`;
  const formatted = (value) => (value >= 0.995 ? value.toFixed(2) : value.toFixed(2).replace(/^0/, ""));

  let shown = null; // the drawn view, its weights, and the value of the darkest colour

  function prepare() {
    const view = currentView();
    shown = view ? { view, weights: weightsOf(seed, view, at.head) } : null;
    if (shown) shown.darkest = darkestOf(shown.weights);
    const count = shownTarget(view).length;
    at.target = Math.max(0, Math.min(at.target, count - 1));
    at.source = -1;
  }
  const memoryIsSource = () => shown && shown.view.memory === example().lengths[0];

  function drawSymbols() {
    const source = $("source"), target = $("target"), view = shown?.view, one = example();
    const places = shown && !memoryIsSource() ? Array.from({ length: view.shape[2] }, (_, i) => String(i + 1)) : one.source.map((n) => symbol(n));
    source.replaceChildren(...places.map((text, i) => {
      const unit = make("span", { class: "unit", role: "listitem", title: `${i + 1}: ${visible(text)}` }, make("bdi", { dir: "auto" }, visible(text)), make("small"));
      unit.addEventListener("pointerenter", () => point(i));
      unit.addEventListener("pointerleave", () => point(-1));
      return unit;
    }));
    const right = view && view.step !== FINAL ? view.right : one.right;
    target.replaceChildren(...shownTarget(view).map((number, t) => {
      const wrong = right && right[t] === 0, text = visible(symbol(number));
      const unit = make("span", { class: wrong ? "unit wrong" : "unit", role: "option", id: `target-${t}`, title: `${t + 1}: ${text}${wrong ? ", wrong" : ""}`, "aria-label": `${t + 1}: ${text}${wrong ? ", wrong" : ""}` }, make("bdi", { dir: "auto" }, text));
      unit.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") choose(t); });
      unit.addEventListener("click", () => choose(t));
      return unit;
    }));
    const cutAt = (full, here) => (full > here ? ` (the first ${here} of ${full.toLocaleString("en")})` : "");
    const of = shown && !memoryIsSource() ? `Memory: ${view.memory} positions for ${one.lengths[0]} source symbols` : `Source${cutAt(one.lengths[0], one.source.length)}`;
    $("source-label").replaceChildren(of);
    const fed = view && view.step !== FINAL ? "gold symbols, teacher forcing" : one.predicted ? `predicted${one.exact === false ? ", wrong" : ""}` : "";
    $("target-label").replaceChildren("Target ", make("small", {}, fed));
  }

  function choose(t) {
    const before = $("target").querySelector("[aria-selected=true]");
    before?.setAttribute("aria-selected", "false");
    const unit = $(`target-${t}`);
    if (!unit) { $("status").textContent = "The target is empty."; return; }
    at.target = t;
    unit.setAttribute("aria-selected", "true");
    $("target").setAttribute("aria-activedescendant", unit.id);
    paintSource();
    drawHeat();
    updateStatus();
  }
  function point(s) {
    at.source = s;
    [...$("source").children].forEach((unit, i) => unit.classList.toggle("under", i === s));
    drawHeat();
    updateStatus();
  }
  const row = (t) => shown.weights.subarray(t * shown.view.shape[2], (t + 1) * shown.view.shape[2]);
  const goldOf = (t) => ($("gold").checked && memoryIsSource() ? (shown.view.gold[t] ?? -1) : -1);

  function paintSource() {
    const units = [...$("source").children], seen = shown && at.target < shown.view.shape[1];
    const here = seen ? row(at.target) : [], gold = seen ? goldOf(at.target) : -1;
    units.forEach((unit, s) => {
      const value = here[s] ?? 0, colour = shade(value, shown?.darkest ?? 1);
      unit.style.background = seen ? rgb(colour) : "";
      unit.style.color = seen ? inkOn(colour) : "";
      unit.lastChild.textContent = value >= 0.05 ? formatted(value) : "";
      unit.classList.toggle("gold", s === gold);
    });
  }
  function updateStatus() {
    const status = $("status"), list = shownTarget(currentView()), one = example();
    if (!list.length) { status.textContent = "The target is empty."; return; }
    const intro = [`${at.target + 1} of ${list.length}, `, make("b", {}, quoted(list[at.target]))];
    if (!shown) { status.replaceChildren(...intro, seed.omitted ? ": its weights are omitted to limit the size of the page." : ": no weights."); return; }
    if (at.target >= shown.view.shape[1]) { status.replaceChildren(...intro, ": not shown, the weights are truncated."); return; }
    const here = row(at.target), named = (s) => make("b", {}, `${s + 1}`, ...(memoryIsSource() && s < one.source.length ? [" ", quoted(one.source[s])] : []));
    const order = [...here.keys()].sort((a, b) => here[b] - here[a]).slice(0, 3).filter((s, i) => i === 0 || here[s] >= 0.01);
    const parts = [...intro, " attends to "];
    order.forEach((s, i) => parts.push(i ? ", " : "", named(s), ` (${formatted(here[s])})`));
    const gold = goldOf(at.target);
    if (gold >= 0) parts.push("; gold: ", named(gold), gold < here.length ? ` (${formatted(here[gold])})` : "");
    if (at.source >= 0 && at.source < here.length) parts.push("; selected: ", named(at.source), ` (${formatted(here[at.source])})`);
    status.replaceChildren(...parts);
  }

  let cell = { w: 1, h: 1, left: 0, top: 0 };
  function shortened(text, most) {
    const all = Array.from(text);
    return all.length <= most ? text : all.slice(0, most - 1).join("") + "…";
  }
  function drawHeat() {
    const canvas = $("heat"), context = canvas.getContext("2d");
    canvas.hidden = !shown || !shown.view.shape[1] || !shown.view.shape[2];
    if (canvas.hidden) return;
    const { view, weights, darkest } = shown, [, steps, memory] = view.shape;
    const labels = shownTarget(view).slice(0, steps).map((n) => shortened(visible(symbol(n)), 7));
    const font = '12px ui-monospace, Menlo, Consolas, "Noto Sans Mono", monospace';
    context.font = font;
    const left = Math.ceil(Math.max(...labels.map((label) => context.measureText(label).width))) + 10;
    const room = $("heat-scroll").clientWidth - left - 2;
    const w = Math.min(26, Math.max(3, Math.floor(room / memory))), h = Math.min(22, Math.max(9, w));
    const named = memoryIsSource() ? example().source.slice(0, memory).map((n) => visible(symbol(n))) : Array.from({ length: memory }, (_, s) => String(s + 1));
    const fits = w >= 10 && named.every((text) => Array.from(text).length <= 2);
    const top = fits ? 20 : 4, width = left + memory * w + 1, height = top + steps * h + 1, sharp = devicePixelRatio || 1;
    cell = { w, h, left, top };
    canvas.width = width * sharp; canvas.height = height * sharp;
    canvas.style.width = `${width}px`; canvas.style.height = `${height}px`;
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = font; context.textBaseline = "middle";
    const faint = css("--faint"), ink = css("--ink"), gold = css("--gold");
    for (let t = 0; t < steps; t++) {
      for (let s = 0; s < memory; s++) {
        context.fillStyle = rgb(shade(weights[t * memory + s], darkest));
        context.fillRect(left + s * w, top + t * h, w, h);
      }
      context.fillStyle = t === at.target ? ink : faint; context.textAlign = "right";
      context.fillText(labels[t], left - 6, top + t * h + h / 2 + 1);
    }
    context.textAlign = "center";
    if (fits) named.forEach((text, s) => { context.fillStyle = s === at.source ? ink : faint; context.fillText(text, left + s * w + w / 2, 10); });
    context.strokeStyle = css("--line"); context.lineWidth = 1;
    context.strokeRect(left - 0.5, top - 0.5, memory * w + 1, steps * h + 1);
    context.strokeStyle = gold; context.lineWidth = w < 7 ? 1.2 : 2;
    for (let t = 0; t < steps; t++) {
      const s = goldOf(t);
      if (s < 0 || s >= memory) continue;
      context.beginPath();
      context.arc(left + s * w + w / 2, top + t * h + h / 2, Math.max(2, Math.min(w, h) / 2 - 1.5), 0, 7);
      context.stroke();
    }
    context.strokeStyle = ink; context.lineWidth = 1.5;
    if (at.target < steps) context.strokeRect(left - 0.5, top + at.target * h, memory * w + 1, h);
    if (at.source >= 0) { context.globalAlpha = 0.5; context.strokeRect(left + at.source * w, top, w, steps * h); context.globalAlpha = 1; }
  }
  function drawKey() {
    const canvas = $("ramp"), context = canvas.getContext("2d");
    for (let x = 0; x < canvas.width; x++) { context.fillStyle = rgb(shade(x / canvas.width, 1)); context.fillRect(x, 0, 1, canvas.height); }
    $("darkest").textContent = shown ? shown.darkest.toFixed(2) : "1";
  }

  function drawAll() {
    if (!seed) return;
    prepare();
    drawSymbols();
    drawKey();
    choose(at.target);
    describeStep();
  }
  function describeStep() {
    const all = currentViews(), view = currentView(), slider = $("step");
    slider.max = Math.max(0, all.length - 1);
    slider.value = at.view;
    slider.disabled = $("play").disabled = all.length < 2;
    const text = !view ? "no weights" : view.step === FINAL ? "after training, free-running" : `step ${view.step.toLocaleString("en")}, teacher forcing`;
    const films = seed.views.filter((one) => one.length > 1).length;
    $("step-label").textContent = all.length < 2 && films ? `${text}; earlier steps are kept for the examples with ▸` : text;
    slider.setAttribute("aria-valuetext", text);
    $("training").hidden = !all.length;
    [...$("film").children].forEach((frame, i) => frame.classList.toggle("now", i === at.view));
  }
  // one thumbnail for each training step, below the slider
  function drawFilm() {
    const film = $("film"), all = currentViews();
    film.hidden = all.length < 2;
    film.replaceChildren(...(film.hidden ? [] : all).map((view, i) => {
      const canvas = make("canvas", { title: view.step === FINAL ? "after training" : `step ${view.step}` });
      picture(canvas, view.shape, weightsOf(seed, view, at.head));
      canvas.addEventListener("click", () => { stop(); at.view = i; drawAll(); });
      return canvas;
    }));
  }
  function picture(canvas, [, steps, memory], weights) {
    canvas.width = Math.max(1, memory); canvas.height = Math.max(1, steps);
    if (!weights.length) return;
    const context = canvas.getContext("2d"), pixels = context.createImageData(memory, steps), darkest = darkestOf(weights);
    weights.forEach((value, k) => pixels.data.set([...shade(value, darkest), 255], 4 * k));
    context.putImageData(pixels, 0, 0);
  }

  function fillExamples() {
    const select = $("example"), only = $("wrong").checked;
    const rows = seed.examples.map((one, i) => [one, i]).filter(([one]) => !only || one.exact === false);
    select.replaceChildren(...rows.map(([one, i]) => {
      const mark = typeof one.exact !== "boolean" ? "" : one.exact ? " ✓" : " ✗", film = (seed.views[i] ?? []).length > 1 ? " ▸" : "";
      const text = shortened(one.target.slice(0, 30).map((n) => visible(symbol(n))).join(" "), 34);
      return make("option", { value: i }, `${i + 1}${mark}${film} \u2068${text}\u2069`);
    }));
    if (!rows.some(([, i]) => i === at.example)) at.example = rows.length ? rows[0][1] : at.example;
    select.value = at.example;
  }
  function pick(number) {
    at.example = number;
    $("example").value = number;
    at.view = Math.max(0, currentViews().length - 1);
    drawFilm();
    drawAll();
  }
  function move(by) {
    const options = [...$("example").options], now = options.findIndex((option) => Number(option.value) === at.example);
    if (options.length) pick(Number(options[(now + by + options.length) % options.length].value));
  }
  async function open(model, number) {
    stop();
    seed = await unpack(model);
    at.model = model;
    $("model").value = model;
    if (number !== undefined) { at.example = number; $("wrong").checked = false; }
    at.example = Math.min(at.example, seed.examples.length - 1);
    const heads = Math.max(1, ...seed.views.flat().map((view) => view.shape[0]));
    $("head").replaceChildren(make("option", { value: -1 }, "mean"), ...Array.from({ length: heads }, (_, i) => make("option", { value: i }, String(i + 1))));
    $("head-label").hidden = heads < 2;
    const gold = seed.views.flat().some((view) => view.gold.some((place) => place >= 0));
    $("gold-label").hidden = $("gold-key").hidden = !gold;
    at.head = Math.min(at.head, heads - 1);
    $("head").value = at.head;
    const left = seed.total - seed.examples.length;
    $("explorer-status").hidden = !left;
    $("explorer-status").textContent = left ? `The first ${seed.examples.length} of ${seed.total} examples; the others are omitted to limit the size of the page.` : "";
    $("wrong").disabled = !seed.examples.some((one) => one.exact === false);
    fillExamples();
    pick(at.example);
    for (const button of $("gallery").children) button.setAttribute("aria-pressed", String(Number(button.value) === model));
    if (!report.explorer) performance.mark("alignment drawn");
    report.explorer = { at, seed, shown: () => shown };
  }
  function stop() { clearInterval(timer); timer = null; $("play").textContent = "▶"; $("play").setAttribute("aria-label", "Play training steps"); }
  function play() {
    if (timer) { stop(); return; }
    if (at.view >= currentViews().length - 1) at.view = -1;
    $("play").textContent = "❚❚"; $("play").setAttribute("aria-label", "Stop");
    const next = () => { at.view += 1; drawAll(); if (at.view >= currentViews().length - 1) stop(); };
    timer = setInterval(next, 350);
    next();
  }

  async function thumbnails() {
    const first = new Map();
    data.models.forEach((model, i) => { if (!first.has(model.variant)) first.set(model.variant, i); });
    const buttons = [];
    for (const [variant, i] of first) {
      const from = await unpack(i), view = (from.views[0] ?? []).at(-1);
      if (!view || !view.shape[1] || !view.shape[2]) continue;
      const canvas = make("canvas", { "aria-hidden": "true" });
      const button = make("button", { type: "button", value: i, "aria-pressed": String(i === at.model) }, canvas, make("span", {}, make("bdi", {}, visible(variant))));
      const draw = () => picture(canvas, view.shape, weightsOf(from, view, -1));
      draw();
      report.onPaint(draw);
      button.addEventListener("click", () => open(i));
      buttons.push(button);
    }
    if (buttons.length > 1) $("gallery").append(...buttons);
  }

  $("model").append(...data.models.map((model, i) => make("option", { value: i }, `\u2068${visible(model.variant)}\u2069, seed ${model.seed}`)));
  $("model").addEventListener("change", (event) => open(Number(event.target.value)));
  $("example").addEventListener("change", (event) => pick(Number(event.target.value)));
  $("previous").addEventListener("click", () => move(-1));
  $("next").addEventListener("click", () => move(1));
  $("head").addEventListener("change", (event) => { at.head = Number(event.target.value); drawFilm(); drawAll(); });
  $("gold").addEventListener("change", () => { paintSource(); drawHeat(); updateStatus(); });
  $("wrong").addEventListener("change", () => { fillExamples(); pick(at.example); });
  $("step").addEventListener("input", (event) => { stop(); at.view = Number(event.target.value); drawAll(); });
  $("play").addEventListener("click", play);
  $("target").addEventListener("keydown", (event) => {
    const last = shownTarget(currentView()).length - 1, t = at.target;
    const to = { ArrowRight: t + 1, ArrowDown: t + 1, ArrowLeft: t - 1, ArrowUp: t - 1, Home: 0, End: last }[event.key];
    if (event.key === "PageDown" || event.key === "PageUp") { event.preventDefault(); move(event.key === "PageDown" ? 1 : -1); }
    if (to === undefined) return;
    event.preventDefault();
    choose(Math.max(0, Math.min(last, to)));
  });
  const cellUnder = (event) => {
    const box = $("heat").getBoundingClientRect();
    return [Math.floor((event.clientY - box.top - cell.top) / cell.h), Math.floor((event.clientX - box.left - cell.left) / cell.w)];
  };
  for (const kind of ["pointermove", "pointerdown"]) $("heat").addEventListener(kind, (event) => {
    if (!shown) return;
    const [t, s] = cellUnder(event), [, steps, memory] = shown.view.shape;
    if (t < 0 || t >= steps || s >= memory || (t === at.target && s === at.source)) return;
    at.source = s >= 0 ? s : -1;
    [...$("source").children].forEach((unit, i) => unit.classList.toggle("under", i === at.source));
    choose(t);
  });
  $("heat").addEventListener("pointerleave", () => point(-1));
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".show-weights");
    if (!button) return;
    const { variant, seed: number, number: which } = button.dataset;
    const model = data.models.findIndex((one) => one.variant === variant && String(one.seed) === number);
    if (model >= 0) open(model, Number(which)).then(() => { $("alignments").scrollIntoView(); $("target").focus({ preventScroll: true }); });
  });
  report.onPaint(() => { if (seed) { drawFilm(); describeStep(); paintSource(); drawHeat(); drawKey(); } });
  new ResizeObserver(() => { if (seed) drawHeat(); }).observe($("heat-scroll"));

  if (typeof DecompressionStream === "undefined") {
    $("explorer-status").textContent = "This browser cannot unpack the weights: it has no DecompressionStream.";
    return;
  }
  $("explorer-status").textContent = "Unpacking the weights…";
  root.hidden = false;
  open(Math.max(0, data.models.findIndex((model) => model.weights))).then(thumbnails).catch((error) => { $("explorer-status").hidden = false; $("explorer-status").textContent = `The weights could not be unpacked: ${error.message}`; });
})();

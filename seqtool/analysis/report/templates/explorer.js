"use strict";
// The alignment explorer: which source symbols each target symbol looks at, in every example, head and step of training.
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
  const views = () => seed.looks[at.example] ?? [];
  const view = () => views()[at.view];
  const written = (look) => (look && look.step !== FINAL ? example().target : (example().predicted ?? example().target));
  const symbol = (number) => seed.symbols[number];
  const quoted = (number) => make("bdi", {}, `“${shortened(visible(symbol(number)), 24)}”`);

  // [T, S] weights of one look: of one head, or the mean of all
  function weightsOf(from, look, head) {
    const [heads, steps, memory] = look.shape, size = steps * memory, found = new Float32Array(size);
    const chosen = head < 0 ? [...Array(heads).keys()] : [Math.min(head, heads - 1)];
    for (const one of chosen) {
      const scale = look.scale[one] / 255 / chosen.length, start = look.at + one * size;
      for (let i = 0; i < size; i++) found[i] += from.bytes[start + i] * scale;
    }
    return found;
  }
  const darkestOf = (weights) => weights.reduce((most, one) => Math.max(most, one), LEAST_DARKEST);
  const shade = (value, darkest) => ramp(value / darkest);
  const rgb = (parts) => `rgb(${parts.join(" ")})`;
  const share = (value) => (value >= 0.995 ? value.toFixed(2) : value.toFixed(2).replace(/^0/, ""));

  let shown = null; // what is drawn now: look, weights, darkest

  function prepare() {
    const look = view();
    shown = look ? { look, weights: weightsOf(seed, look, at.head) } : null;
    if (shown) shown.darkest = darkestOf(shown.weights);
    const count = written(look).length;
    at.target = Math.max(0, Math.min(at.target, count - 1));
    at.source = -1;
  }
  const memoryIsSource = () => shown && shown.look.memory === example().lengths[0];

  function drawSymbols() {
    const source = $("source"), target = $("target"), look = shown?.look, one = example();
    const places = shown && !memoryIsSource() ? Array.from({ length: look.shape[2] }, (_, i) => String(i + 1)) : one.source.map((n) => symbol(n));
    source.replaceChildren(...places.map((text, i) => {
      const unit = make("span", { class: "unit", role: "listitem", title: `${i + 1}: ${visible(text)}` }, make("bdi", { dir: "auto" }, visible(text)), make("small"));
      unit.addEventListener("pointerenter", () => point(i));
      unit.addEventListener("pointerleave", () => point(-1));
      return unit;
    }));
    const right = look && look.step !== FINAL ? look.right : one.right;
    target.replaceChildren(...written(look).map((number, t) => {
      const wrong = right && right[t] === 0, text = visible(symbol(number));
      const unit = make("span", { class: wrong ? "unit wrong" : "unit", role: "option", id: `target-${t}`, title: `${t + 1}: ${text}${wrong ? ", wrong" : ""}`, "aria-label": `${t + 1}: ${text}${wrong ? ", wrong" : ""}` }, make("bdi", { dir: "auto" }, text));
      unit.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") choose(t); });
      unit.addEventListener("click", () => choose(t));
      return unit;
    }));
    const cutAt = (full, here) => (full > here ? ` (the first ${here} of ${full.toLocaleString("en")})` : "");
    const of = shown && !memoryIsSource() ? `Memory: ${look.memory} positions for ${one.lengths[0]} source symbols` : `Source${cutAt(one.lengths[0], one.source.length)}`;
    $("source-label").replaceChildren(of);
    const fed = look && look.step !== FINAL ? "the gold symbols, given one by one" : one.predicted ? `written by the model${one.exact === false ? ", not right" : ""}` : "";
    $("target-label").replaceChildren("Target ", make("small", {}, fed));
  }

  function choose(t) {
    const before = $("target").querySelector("[aria-selected=true]");
    before?.setAttribute("aria-selected", "false");
    const unit = $(`target-${t}`);
    if (!unit) { $("says").textContent = "Nothing was written."; return; }
    at.target = t;
    unit.setAttribute("aria-selected", "true");
    $("target").setAttribute("aria-activedescendant", unit.id);
    paintSource();
    drawHeat();
    tell();
  }
  function point(s) {
    at.source = s;
    [...$("source").children].forEach((unit, i) => unit.classList.toggle("under", i === s));
    drawHeat();
    tell();
  }
  const row = (t) => shown.weights.subarray(t * shown.look.shape[2], (t + 1) * shown.look.shape[2]);
  const goldOf = (t) => ($("gold").checked && memoryIsSource() ? (shown.look.gold[t] ?? -1) : -1);

  function paintSource() {
    const units = [...$("source").children], seen = shown && at.target < shown.look.shape[1];
    const here = seen ? row(at.target) : [], gold = seen ? goldOf(at.target) : -1;
    units.forEach((unit, s) => {
      const value = here[s] ?? 0, colour = shade(value, shown?.darkest ?? 1);
      unit.style.background = seen ? rgb(colour) : "";
      unit.style.color = seen ? inkOn(colour) : "";
      unit.lastChild.textContent = value >= 0.05 ? share(value) : "";
      unit.classList.toggle("gold", s === gold);
    });
  }
  function tell() {
    const says = $("says"), list = written(view()), one = example();
    if (!list.length) { says.textContent = "Nothing was written."; return; }
    const intro = [`${at.target + 1} of ${list.length}, `, make("b", {}, quoted(list[at.target]))];
    if (!shown) { says.replaceChildren(...intro, seed.left_out ? ": its weights were left out, to keep this page small." : ": there are no weights of it."); return; }
    if (at.target >= shown.look.shape[1]) { says.replaceChildren(...intro, ": beyond what is shown."); return; }
    const here = row(at.target), named = (s) => make("b", {}, `${s + 1}`, ...(memoryIsSource() && s < one.source.length ? [" ", quoted(one.source[s])] : []));
    const order = [...here.keys()].sort((a, b) => here[b] - here[a]).slice(0, 3).filter((s, i) => i === 0 || here[s] >= 0.01);
    const parts = [...intro, " looks at "];
    order.forEach((s, i) => parts.push(i ? ", " : "", named(s), ` (${share(here[s])})`));
    const gold = goldOf(at.target);
    if (gold >= 0) parts.push("; gold: ", named(gold), gold < here.length ? ` (${share(here[gold])})` : "");
    if (at.source >= 0 && at.source < here.length) parts.push("; pointed at: ", named(at.source), ` (${share(here[at.source])})`);
    says.replaceChildren(...parts);
  }

  let cell = { w: 1, h: 1, left: 0, top: 0 };
  function shortened(text, most) {
    const all = Array.from(text);
    return all.length <= most ? text : all.slice(0, most - 1).join("") + "…";
  }
  function drawHeat() {
    const canvas = $("heat"), context = canvas.getContext("2d");
    canvas.hidden = !shown || !shown.look.shape[1] || !shown.look.shape[2];
    if (canvas.hidden) return;
    const { look, weights, darkest } = shown, [, steps, memory] = look.shape;
    const labels = written(look).slice(0, steps).map((n) => shortened(visible(symbol(n)), 7));
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
    const all = views(), look = view(), slider = $("step");
    slider.max = Math.max(0, all.length - 1);
    slider.value = at.view;
    slider.disabled = $("play").disabled = all.length < 2;
    const text = !look ? "no weights" : look.step === FINAL ? `after training, its own symbols${all.length < 2 ? "" : " fed back"}` : `step ${look.step.toLocaleString("en")}, gold symbols given`;
    const films = seed.looks.filter((one) => one.length > 1).length;
    $("step-says").textContent = all.length < 2 && films ? `${text}; how it formed is kept for the examples with ▸` : text;
    slider.setAttribute("aria-valuetext", text);
    $("training").hidden = !all.length;
    [...$("film").children].forEach((frame, i) => frame.classList.toggle("now", i === at.view));
  }
  // one small picture for each step of training, below the slider
  function drawFilm() {
    const film = $("film"), all = views();
    film.hidden = all.length < 2;
    film.replaceChildren(...(film.hidden ? [] : all).map((look, i) => {
      const canvas = make("canvas", { title: look.step === FINAL ? "after training" : `step ${look.step}` });
      picture(canvas, look.shape, weightsOf(seed, look, at.head));
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
      const mark = typeof one.exact !== "boolean" ? "" : one.exact ? " ✓" : " ✗", film = (seed.looks[i] ?? []).length > 1 ? " ▸" : "";
      const text = shortened(one.target.slice(0, 30).map((n) => visible(symbol(n))).join(" "), 34);
      return make("option", { value: i }, `${i + 1}${mark}${film} \u2068${text}\u2069`);
    }));
    if (!rows.some(([, i]) => i === at.example)) at.example = rows.length ? rows[0][1] : at.example;
    select.value = at.example;
  }
  function pick(number) {
    at.example = number;
    $("example").value = number;
    at.view = Math.max(0, views().length - 1);
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
    const heads = Math.max(1, ...seed.looks.flat().map((look) => look.shape[0]));
    $("head").replaceChildren(make("option", { value: -1 }, "mean"), ...Array.from({ length: heads }, (_, i) => make("option", { value: i }, String(i + 1))));
    $("head-label").hidden = heads < 2;
    const gold = seed.looks.flat().some((look) => look.gold.some((place) => place >= 0));
    $("gold-label").hidden = $("gold-key").hidden = !gold;
    at.head = Math.min(at.head, heads - 1);
    $("head").value = at.head;
    const left = seed.total - seed.examples.length;
    $("explorer-says").hidden = !left;
    $("explorer-says").textContent = left ? `The first ${seed.examples.length} of ${seed.total} examples; the others were left out, to keep this page small.` : "";
    $("wrong").disabled = !seed.examples.some((one) => one.exact === false);
    fillExamples();
    pick(at.example);
    for (const button of $("gallery").children) button.setAttribute("aria-pressed", String(Number(button.value) === model));
    if (!report.explorer) performance.mark("alignment drawn");
    report.explorer = { at, seed, shown: () => shown };
  }
  function stop() { clearInterval(timer); timer = null; $("play").textContent = "▶"; $("play").setAttribute("aria-label", "Play the training"); }
  function play() {
    if (timer) { stop(); return; }
    if (at.view >= views().length - 1) at.view = -1;
    $("play").textContent = "❚❚"; $("play").setAttribute("aria-label", "Stop");
    const next = () => { at.view += 1; drawAll(); if (at.view >= views().length - 1) stop(); };
    timer = setInterval(next, 350);
    next();
  }

  async function thumbnails() {
    const first = new Map();
    data.models.forEach((model, i) => { if (!first.has(model.variant)) first.set(model.variant, i); });
    const buttons = [];
    for (const [variant, i] of first) {
      const from = await unpack(i), look = (from.looks[0] ?? []).at(-1);
      if (!look || !look.shape[1] || !look.shape[2]) continue;
      const canvas = make("canvas", { "aria-hidden": "true" });
      const button = make("button", { type: "button", value: i, "aria-pressed": String(i === at.model) }, canvas, make("span", {}, make("bdi", {}, visible(variant))));
      const draw = () => picture(canvas, look.shape, weightsOf(from, look, -1));
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
  $("gold").addEventListener("change", () => { paintSource(); drawHeat(); tell(); });
  $("wrong").addEventListener("change", () => { fillExamples(); pick(at.example); });
  $("step").addEventListener("input", (event) => { stop(); at.view = Number(event.target.value); drawAll(); });
  $("play").addEventListener("click", play);
  $("target").addEventListener("keydown", (event) => {
    const last = written(view()).length - 1, t = at.target;
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
    const [t, s] = cellUnder(event), [, steps, memory] = shown.look.shape;
    if (t < 0 || t >= steps || s >= memory || (t === at.target && s === at.source)) return;
    at.source = s >= 0 ? s : -1;
    [...$("source").children].forEach((unit, i) => unit.classList.toggle("under", i === at.source));
    choose(t);
  });
  $("heat").addEventListener("pointerleave", () => point(-1));
  for (const button of document.querySelectorAll(".look")) button.addEventListener("click", () => {
    const { variant, seed: number, number: which } = button.dataset;
    const model = data.models.findIndex((one) => one.variant === variant && String(one.seed) === number);
    if (model >= 0) open(model, Number(which)).then(() => { $("alignments").scrollIntoView(); $("target").focus({ preventScroll: true }); });
  });
  report.onPaint(() => { if (seed) { drawFilm(); describeStep(); paintSource(); drawHeat(); drawKey(); } });
  new ResizeObserver(() => { if (seed) drawHeat(); }).observe($("heat-scroll"));

  if (typeof DecompressionStream === "undefined") {
    $("explorer-says").textContent = "This browser is too old to unpack the weights.";
    return;
  }
  $("explorer-says").textContent = "Unpacking the weights…";
  root.hidden = false;
  open(Math.max(0, data.models.findIndex((model) => model.looks))).then(thumbnails).catch((error) => { $("explorer-says").hidden = false; $("explorer-says").textContent = `The weights could not be unpacked: ${error.message}`; });
})();

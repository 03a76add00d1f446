"use strict";
// Shared by all scripts of the page: data, colours, light and dark theme.
const report = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const listeners = [];
  const system = matchMedia("(prefers-color-scheme: dark)");
  // the palette of Okabe & Ito, which is safe for colour-blind readers, and lighter variants for the dark theme
  const LIGHT = ["#0072B2", "#D55E00", "#009E73", "#B65C94", "#B78000", "#3A9BD1", "#555555"];
  const DARK = ["#6CB8F0", "#FF9457", "#2FC79B", "#E9A6CC", "#F0C246", "#A9D8F7", "#C9C9C9"];
  const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

  const read = () => { try { return localStorage.getItem("seqtool-theme"); } catch { return null; } };
  const keep = (value) => { try { localStorage.setItem("seqtool-theme", value); } catch { /* pages from disk may have no storage */ } };
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const colour = (variant) => {
    const i = Math.max(0, data.variants.indexOf(variant)), palette = dark() ? DARK : LIGHT;
    return palette[i % palette.length];
  };
  const dash = (variant) => DASHES[Math.floor(Math.max(0, data.variants.indexOf(variant)) / LIGHT.length) % DASHES.length];
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function mix(stops, x) {
    const at = Math.min(1, Math.max(0, x)) * (stops.length - 1), i = Math.min(stops.length - 2, Math.floor(at));
    return stops[i].map((low, k) => Math.round(low + (stops[i + 1][k] - low) * (at - i)));
  }
  const PALE = [[255, 255, 255], [222, 235, 247], [158, 202, 225], [66, 146, 198], [8, 81, 156], [8, 40, 90]];
  const DEEP = [[23, 28, 35], [22, 50, 78], [20, 92, 140], [48, 145, 200], [130, 200, 240], [235, 248, 255]];
  const ramp = (x) => mix(dark() ? DEEP : PALE, x);
  // black or white, for contrast on a background
  const inkOn = ([r, g, b]) => (r * 0.299 + g * 0.587 + b * 0.114 > 140 ? "#10161d" : "#ffffff");

  function paint() {
    for (const swatch of document.querySelectorAll(".swatch")) swatch.style.background = colour(swatch.dataset.variant);
    for (const listener of listeners) listener();
  }
  const stored = read();
  if (stored === "dark" || stored === "light") root.dataset.theme = stored;
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    keep(root.dataset.theme);
    paint();
  });
  system.addEventListener("change", paint);
  // print with the light theme
  let chosen;
  addEventListener("beforeprint", () => { chosen = root.dataset.theme; root.dataset.theme = "light"; paint(); });
  addEventListener("afterprint", () => { if (chosen) root.dataset.theme = chosen; else delete root.dataset.theme; paint(); });

  const JOINERS = /^[\u200c\u200d]+$/, NAMED = { "": "∅", " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍", "\0": "␀" };
  // the same as seqtool.analysis.report.visible_symbols.visible
  function visible(symbol) {
    if (symbol in NAMED) return NAMED[symbol];
    const bare = JOINERS.test(symbol);
    const shown = Array.from(symbol, (one) => {
      if (one !== " " && one in NAMED) return NAMED[one];
      const joiner = (one === "\u200c" || one === "\u200d") && !bare, code = one.codePointAt(0);
      const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(one) && !joiner && !(code >= 0xe0020 && code <= 0xe007f);
      return hidden ? `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩` : one;
    }).join("");
    return /^\p{M}/u.test(shown) ? `◌${shown}` : shown;
  }
  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") node.className = value; else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }
  const figure = (x) => (x === 0 ? "0" : Math.abs(x) < 1e-3 || Math.abs(x) >= 1e6 ? x.toExponential(2) : Math.abs(x) < 10 ? x.toFixed(4) : x.toFixed(1));
  document.addEventListener("DOMContentLoaded", paint);
  paint();
  return { data, colour, dash, css, ramp, inkOn, visible, make, figure, dark, onPaint: (listener) => listeners.push(listener) };
})();

"use strict";
// Shows only the mistakes with a text in the source, the gold target or the prediction.
for (const input of document.querySelectorAll(".mistake-filter")) input.addEventListener("input", () => {
  const wanted = input.value.trim(), card = input.closest("details");
  let shown = 0;
  for (const mistake of card.querySelectorAll(".mistake")) {
    const sides = [...mistake.querySelectorAll("dd")].map((side) => [...side.querySelectorAll(".symbol")].map((symbol) => symbol.textContent));
    mistake.hidden = !sides.some((symbols) => symbols.join("").includes(wanted) || symbols.join(" ").includes(wanted));
    shown += !mistake.hidden;
  }
  card.querySelector(".filter .count").textContent = `${shown} shown`;
});

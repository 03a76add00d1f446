"use strict";
// The page opens with some mistakes of each variant; the others are in a template, because drawing them takes seconds.
// The filter shows only the mistakes with a text in the source, the gold target or the prediction.
const allMistakes = (card) => {
  for (const template of card.querySelectorAll("template")) template.replaceWith(template.content);
  for (const button of card.querySelectorAll(".all-mistakes")) button.parentElement.remove();
};
const countMistakes = (card) => {
  const shown = card.querySelectorAll(".mistake:not([hidden])").length;
  card.querySelector(".filter .count").textContent = `${shown} shown`;
};
for (const button of document.querySelectorAll(".all-mistakes")) button.addEventListener("click", () => {
  const card = button.closest("details");
  allMistakes(card);
  countMistakes(card);
});
for (const input of document.querySelectorAll(".mistake-filter")) input.addEventListener("input", () => {
  const wanted = input.value.trim(), card = input.closest("details");
  allMistakes(card);
  for (const mistake of card.querySelectorAll(".mistake")) {
    const sides = [...mistake.querySelectorAll("dd")].map((side) => [...side.querySelectorAll(".symbol")].map((symbol) => symbol.textContent));
    mistake.hidden = !sides.some((symbols) => symbols.join("").includes(wanted) || symbols.join(" ").includes(wanted));
  }
  countMistakes(card);
});

// On paper figures have the width of the sheet, and what is folded is open.
const PAPER_PIXELS = 660;
const figures = () => [...document.querySelectorAll(".js-plotly-plot")];
const folded = () => [...document.querySelectorAll("details:not([open])")];
let opened = [];
addEventListener("beforeprint", () => {
  opened = folded();
  opened.forEach((box) => { box.open = true; });
  figures().forEach((one) => Plotly.relayout(one, { autosize: false, width: PAPER_PIXELS }));
});
addEventListener("afterprint", () => {
  opened.forEach((box) => { box.open = false; });
  figures().forEach((one) => Plotly.relayout(one, { autosize: true, width: null }));
});

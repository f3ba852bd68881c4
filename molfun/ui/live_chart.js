// Draws a plotly figure with Plotly.react, which keeps zoom and hidden curves while data grow (layout.uirevision).
// Streamlit's own chart is built anew at every change and loses both.

const loadPlotly = (url) => {
  window.molfunPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly could not be loaded"));
    document.head.appendChild(script);
  });
  return window.molfunPlotly;
};

const themed = (layout, style) => {
  const value = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const text = value("--st-text-color", "#1c2733");
  const grid = value("--st-border-color", "#dde3e9");
  const axis = { gridcolor: grid, linecolor: grid, tickcolor: grid, automargin: true };
  const themedLayout = {
    ...layout,
    font: { ...layout.font, color: text, family: value("--st-font", "sans-serif"), size: 12 },
    hoverlabel: { bgcolor: value("--st-background-color", "#ffffff"), bordercolor: grid, font: { color: text } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: grid, activecolor: text },
  };
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
    themedLayout[name] = { ...axis, ...layout[name] };
  }
  return themedLayout;
};

const place = (parentElement, alt) => {
  let element = parentElement.querySelector(".molfun-chart");
  if (!element) {
    element = document.createElement("div");
    element.className = "molfun-chart";
    element.setAttribute("role", "img");
    parentElement.appendChild(element);
  }
  element.setAttribute("aria-label", alt);
  return element;
};

export default function ({ data, parentElement }) {
  const element = place(parentElement, data.alt);
  const figure = JSON.parse(data.figure);
  element.style.height = `${figure.layout.height}px`;
  loadPlotly(data.url)
    .then((Plotly) => {
      const layout = themed(figure.layout, getComputedStyle(parentElement));
      return Plotly.react(element, figure.data, layout, { ...data.config, responsive: true });
    })
    .then(() => element.setAttribute("data-drawn", String(Number(element.dataset.drawn ?? 0) + 1)))
    .catch((error) => {
      element.textContent = `The chart cannot be drawn: ${error.message}. Reload the page.`;
    });
}

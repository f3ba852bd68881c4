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
    modebar: { ...layout.modebar, bgcolor: "rgba(0,0,0,0)", color: grid, activecolor: text },
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

// Beside the camera, which gives a drawing (SVG), a button for a picture of twice the size of the screen (PNG).
// There is one for all charts: Plotly.react builds a chart anew, without its zoom, when its configuration differs.
const withPicture = (Plotly, config) => {
  window.molfunPicture ??= {
    name: "picture",
    title: "Download as PNG",
    icon: Plotly.Icons.disk,
    click: (chart) => Plotly.downloadImage(chart, { format: "png", filename: "molfun", scale: 2 }),
  };
  return { ...config, responsive: true, modeBarButtonsToAdd: [window.molfunPicture] };
};

const REPORT_AFTER_MS = 300;

// Tells the server which stretch is looked at, so that it sends that in more detail.
const follow = (element) => {
  if (element.molfunFollowed) return;
  element.molfunFollowed = true;
  let timer;
  element.on("plotly_relayout", (change) => {
    const names = ["xaxis.range[0]", "xaxis.range[1]", "xaxis.range", "xaxis.autorange"];
    if (!names.some((name) => name in change)) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      const axis = element.layout.xaxis;
      const [first, last] = axis.autorange ? [null, null] : axis.range.map(Number);
      element.molfunReport("stretch", first === null ? null : { first, last, revision: element.molfunRevision });
    }, REPORT_AFTER_MS);
  });
};

export default function ({ data, parentElement, setStateValue }) {
  const element = place(parentElement, data.alt);
  const figure = JSON.parse(data.figure);
  element.style.height = `${figure.layout.height}px`;
  element.molfunReport = setStateValue;
  element.molfunRevision = data.revision;
  const layout = themed(figure.layout, getComputedStyle(parentElement));
  const drawn = data.figure + JSON.stringify([layout.font, layout.hoverlabel, layout.modebar]);
  if (element.molfunDrawn === drawn) return;
  element.molfunDrawn = drawn;
  loadPlotly(data.url)
    .then((Plotly) => Plotly.react(element, figure.data, layout, withPicture(Plotly, data.config)))
    .then(() => follow(element))
    .then(() => element.setAttribute("data-drawn", String(Number(element.dataset.drawn ?? 0) + 1)))
    .catch((error) => {
      element.molfunDrawn = "";
      element.textContent = `The chart cannot be drawn: ${error.message}. Reload the page.`;
    });
}

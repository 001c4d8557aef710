// Curves over each other, with a cursor that follows the pointer or the arrow keys.

import { element, short } from "./dom.js";

const LEFT = 62;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 40;
const HEIGHT = 320;

/** Round numbers that divide a range into about `count` parts. */
export function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** The range of numbers, with a margin; never empty. */
function range(values, margin) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const more = (high - low) * margin || Math.abs(high) * 0.1 || 1;
  return [low - more, high + more];
}

/**
 * A chart of curves: [{name, colour, points: [[x, y]], band: [[x, low, high]], best: [x, y], boundaries: [x]}].
 * The marked point is the best one unless `word` says what it is.
 * `redraw` takes new curves and keeps the place of the cursor.
 */
export function chart(about) {
  const host = element("div", { class: "chart" });
  const legend = element("ul", { class: "legend", "aria-live": "polite" });
  const whole = element("div", {}, host, legend);
  let curves = [];
  let units = { x: "", y: "" };
  let cursor = null;

  function draw() {
    const points = curves.flatMap((curve) => curve.points.concat((curve.band || []).flatMap(([x, low, high]) => [[x, low], [x, high]])));
    host.replaceChildren();
    if (points.length === 0) {
      host.append(element("p", { class: "note" }, "No figures yet."));
      legend.replaceChildren();
      return;
    }
    const width = Math.max(280, host.clientWidth || 600);
    const [x0, x1] = range(points.map(([x]) => x), 0.02);
    const [y0, y1] = range(points.map(([, y]) => y), 0.06);
    const toX = (x) => LEFT + ((x - x0) / (x1 - x0)) * (width - LEFT - RIGHT);
    const toY = (y) => HEIGHT - BOTTOM - ((y - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
    const svg = element("svg:svg", {
      viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", tabindex: 0,
      "aria-label": `${about()}. Left and right arrow keys move the cursor.`,
    });
    axes(svg, { width, toX, toY, x: [x0, x1], y: [y0, y1], units });
    curves.forEach((curve) => lines(svg, curve, toX, toY));
    const line = element("svg:line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    svg.append(line);
    const places = [...new Set(curves.flatMap((curve) => curve.points.map(([x]) => x)))].sort((a, b) => a - b);
    const move = (x) => {
      cursor = x;
      line.setAttribute("x1", toX(x));
      line.setAttribute("x2", toX(x));
      line.setAttribute("visibility", "visible");
      tell(x);
    };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = x0 + (((event.clientX - box.left) / box.width) * width - LEFT) / (width - LEFT - RIGHT) * (x1 - x0);
      move(places.reduce((a, b) => (Math.abs(b - x) < Math.abs(a - x) ? b : a)));
    });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const at = cursor === null ? (step > 0 ? -1 : places.length) : places.indexOf(cursor);
      move(places[Math.max(0, Math.min(places.length - 1, at + step))]);
    });
    host.append(svg);
    if (cursor !== null && places.includes(cursor)) move(cursor);
    else tell(null);
  }

  function tell(x) {
    const entries = curves.map((curve) => {
      const point = x === null ? curve.best : curve.points.find(([at]) => at === x);
      const value = point ? ` ${short(point[1])}` : "";
      const note = x === null && point ? ` (${curve.word || "best"}, ${units.x} ${short(point[0])})` : "";
      return element("li", {}, element("span", { class: `swatch c${curve.colour}` }), ` ${curve.name}`, element("b", {}, value), note);
    });
    if (x !== null) entries.unshift(element("li", {}, `${units.x} ${short(x)}:`));
    legend.replaceChildren(...entries);
  }

  let drawnWidth = 0;
  const fit = () => { if (host.clientWidth !== drawnWidth) { drawnWidth = host.clientWidth; draw(); } };
  new ResizeObserver(() => requestAnimationFrame(fit)).observe(host);
  return {
    element: whole,
    redraw(newCurves, newUnits) {
      curves = newCurves;
      units = newUnits;
      draw();
    },
  };
}

function axes(svg, { width, toX, toY, x, y, units }) {
  for (const tick of ticks(y[0], y[1], 5)) {
    svg.append(
      element("svg:line", { class: "tick", x1: LEFT, x2: width - RIGHT, y1: toY(tick), y2: toY(tick) }),
      element("svg:text", { x: LEFT - 6, y: toY(tick) + 4, "text-anchor": "end" }, short(tick)),
    );
  }
  for (const tick of ticks(x[0], x[1], Math.max(2, Math.floor(width / 110)))) {
    if (tick < 0) continue;
    svg.append(element("svg:text", { x: toX(tick), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, short(tick)));
  }
  svg.append(
    element("svg:line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
    element("svg:text", { x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, units.x),
    element("svg:text", { x: LEFT + 4, y: TOP + 8 }, units.y),
  );
}

function lines(svg, curve, toX, toY) {
  const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`).join("");
  const group = element("svg:g", { class: `c${curve.colour}` });
  for (const x of curve.boundaries || []) {
    group.append(element("svg:line", { class: "boundary", x1: toX(x), x2: toX(x), y1: TOP, y2: HEIGHT - BOTTOM }));
  }
  if (curve.band && curve.band.length > 1) {
    const low = curve.band.map(([x, y]) => [x, y]);
    const high = curve.band.map(([x, , y]) => [x, y]).reverse();
    group.append(element("svg:path", { class: "band", d: `${path(low.concat(high))}Z` }));
  }
  group.append(element("svg:path", { class: "curve", d: path(curve.points) }));
  if (curve.best) group.append(element("svg:circle", { class: "best", cx: toX(curve.best[0]), cy: toY(curve.best[1]), r: 4.5 }));
  svg.append(group);
}

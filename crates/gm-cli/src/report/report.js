/* Values of charts: the pointer, a finger or the arrow keys choose a place, whose values stand below the chart. */
for (const svg of document.querySelectorAll("svg[data-chart]")) {
  const { plot: [left, right, top, bottom], across: [x0, x1], up: [y0, y1], x: unit, y: other, curves, names } = JSON.parse(svg.dataset.chart);
  const list = svg.parentElement.querySelector(".values");
  const usual = [...list.children];
  const cursor = svg.appendChild(document.createElementNS(svg.namespaceURI, "path"));
  cursor.setAttribute("class", "cursor");
  const toX = (x) => left + ((x - x0) / (x1 - x0)) * (right - left);
  const toY = (y) => bottom - ((y - y0) / (y1 - y0)) * (bottom - top);
  const short = (x) => (x === null || x === undefined ? "not finite" : String(Number(x.toPrecision(5))));
  const item = (...parts) => { const li = document.createElement("li"); li.append(...parts); return li; };
  const bold = (text) => { const b = document.createElement("b"); b.textContent = text; return b; };
  const dots = names.length > 0;
  const points = curves.flatMap((curve) => curve.points);
  const places = dots ? points.map((_, i) => i) : [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  let at = -1;

  function show(place) {
    at = place;
    if (at < 0) {
      cursor.removeAttribute("d");
      list.replaceChildren(...usual);
    } else if (dots) {
      const [x, y] = points[at];
      cursor.setAttribute("d", `M${toX(x) - 6} ${toY(y)}a6 6 0 1 0 12 0a6 6 0 1 0 -12 0`);
      list.replaceChildren(item(names[at]), item(`${unit} `, bold(short(x))), item(`${other} `, bold(short(y))));
    } else {
      const x = places[at];
      cursor.setAttribute("d", `M${toX(x)} ${top}V${bottom}`);
      const told = curves.map((curve, i) => {
        const point = curve.points.find(([here]) => here === x);
        if (!point) return null;
        const swatch = document.createElement("span");
        swatch.className = "swatch";
        swatch.style.background = `var(--curve-${i % 5})`;
        return item(swatch, ` ${curve.name} `, bold(short(point[1])));
      });
      list.replaceChildren(item(`${unit} ${short(x)}:`), ...told.filter(Boolean).slice(0, 12));
    }
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const size = svg.viewBox.baseVal;
    const [x, y] = [((event.clientX - box.left) / box.width) * size.width, ((event.clientY - box.top) / box.height) * size.height];
    const far = dots ? ([a, b]) => Math.hypot(toX(a) - x, toY(b) - y) : (place) => Math.abs(toX(place) - x);
    const all = dots ? points : places;
    return all.reduce((best, one, i) => (far(one) < far(all[best]) ? i : best), 0);
  }

  if (places.length === 0) continue;
  svg.addEventListener("pointermove", (event) => show(nearest(event)));
  svg.addEventListener("pointerdown", (event) => show(nearest(event)));
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") show(-1); });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -places.length, End: places.length }[event.key];
    if (event.key === "Escape") show(-1);
    if (!step) return;
    event.preventDefault();
    const from = at < 0 && step < 0 ? places.length : at;
    show(Math.max(0, Math.min(places.length - 1, from + step)));
  });
}

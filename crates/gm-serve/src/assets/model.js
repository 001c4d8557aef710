// The view of a model: draw a row and see what the model makes of it, watch its chains, ask its hidden units.

import { Board } from "./board.js";
import { ChainsPanel } from "./chains.js";
import { ask, element, labelled, short, trying } from "./dom.js";
import { paint, shapeOf, zoomFor } from "./pictures.js";

/** Opens the view of the model that the address names, or of the first one; the answer closes it. */
export async function openModel(main, [id]) {
  const models = await ask("/api/models");
  if (models.length === 0) {
    main.append(element("section", {}, element("h2", {}, "Model"),
      element("p", { class: "note" }, "No run has a model yet. A run saves its model at its end, and with early stopping the best so far.")));
    return null;
  }
  const chosen = models.find((model) => String(model.id) === id) || models[0];
  const choice = element("select", { onchange: () => { location.hash = `#model/${choice.value}`; } },
    ...models.map((model) => element("option", { value: model.id, selected: model === chosen }, model.name)));
  const about = await ask(`/api/models/${chosen.id}`);
  const facts = element("p", {}, `${about.kind}, layers ${about.layers.join("-")}, ${about.visible} visible units, ${about.parameters} parameters`);
  main.append(element("section", {}, element("h2", {}, "Model"), models.length > 1 ? element("div", { class: "controls" }, labelled("Model of", choice)) : null, facts));
  if (!about.generative) {
    const units = new UnitsPanel(chosen.id, about);
    main.append(element("section", {}, element("p", { class: "note" },
      about.kind === "classifier"
        ? "A classifier models classes given rows, and not the rows: it has no posterior, no chains and no fantasies to show. Its units can be looked at."
        : "This page has no chains for units of any kind: dgm sample, dgm infer and dgm complete draw, infer and fill in. The units can be looked at.")), units.element);
    return null;
  }
  const view = new ModelView(chosen.id, about);
  main.append(element("div", { class: "bench" }, view.drawing, view.answer), view.chains.element, view.fantasies, view.units.element);
  view.lookSoon();
  trying(() => view.measure());
  return () => view.chains.stop();
}

class ModelView {
  constructor(id, about) {
    this.id = id;
    this.about = about;
    this.board = new Board(about, () => this.lookSoon());
    this.units = new UnitsPanel(id, about, () => this.board.width, (row) => this.board.load(row));
    this.chains = new ChainsPanel(id, about, this.board);
    this.drawing = element("section", {}, element("h2", {}, "Draw"), this.board.element);
    this.makeAnswer();
    this.makeFantasies();
    this.looking = false;
    this.again = false;
  }

  makeAnswer() {
    this.logProb = element("p", { class: "figure" });
    this.reconstruction = element("canvas", { role: "img", "aria-label": "Reconstruction" });
    this.completion = element("canvas", { role: "img", "aria-label": "Completion" });
    this.completionNote = element("p", { class: "note" });
    this.layers = element("div");
    this.classes = element("p");
    this.answer = element("section", { "aria-live": "off" }, element("h2", {}, "What the model makes of it"), this.logProb, this.classes,
      element("div", { class: "pair" },
        element("div", {}, element("h3", {}, "Reconstruction"), this.reconstruction,
          element("p", { class: "note" }, "Means of the visible units given one draw of the hidden units.")),
        element("div", {}, element("h3", {}, "Completion"), this.completion, this.completionNote)),
      this.layers);
  }

  makeFantasies() {
    this.class = element("select", {}, element("option", { value: "" }, "any"),
      ...[...Array(this.about.classes).keys()].map((label) => element("option", { value: label }, label)));
    this.dreams = element("div", { class: "tiles" });
    this.dreamsNote = element("p", { class: "note" });
    this.drawn = 0;
    this.fantasies = element("section", {}, element("h2", {}, "Fantasies"),
      element("div", { class: "controls" }, this.about.classes > 0 ? labelled("Class", this.class) : null,
        element("button", { type: "button", class: "main", onclick: () => trying(() => this.dream()) }, "Draw 20 fantasies")),
      this.dreams, this.dreamsNote);
  }

  async dream() {
    const wish = { count: 20, class: this.class.value === "" ? null : Number(this.class.value), seed: this.drawn };
    this.drawn += 1;
    const { picture, rows, method, sweeps } = await ask(`/api/models/${this.id}/fantasies`, wish);
    const tiles = picture.tiles.map((tile, i) => {
      const canvas = element("canvas");
      paint(canvas, { scale: picture.scale, tiles: [tile] }, { width: this.board.width, columns: 1, zoom: zoomFor(tile.length, 64) });
      return element("button", { type: "button", class: "tile", "aria-label": `Put fantasy ${i + 1} on the board`, onclick: () => this.board.load(rows[i]) }, canvas);
    });
    this.dreams.replaceChildren(...tiles);
    this.dreamsNote.textContent = `Means of the visible units; ${method}${sweeps ? `, ${sweeps} sweeps` : ""}. A fantasy that you choose goes to the board.`;
  }

  /** ln Z is measured once; log p needs it. */
  async measure() {
    if (this.about.kind === "sbn") return;
    let known = await ask(`/api/models/${this.id}/partition`);
    while (known.state === "measuring" && this.logProb.isConnected) {
      this.logProb.textContent = `log p needs ln Z, which is being measured: ${Math.floor(100 * known.share)} %`;
      await new Promise((resolve) => { setTimeout(resolve, 500); });
      known = await ask(`/api/models/${this.id}/partition`);
    }
    if (known.state === "failed") {
      this.logProb.textContent = `log p is not known: ${known.error}`;
    } else {
      this.partition = known.report;
      this.lookSoon();
    }
  }

  /** Asks what the model makes of the board; while an answer is on its way, only the last question waits. */
  lookSoon() {
    this.again = true;
    if (this.looking) return;
    this.looking = true;
    trying(async () => {
      try {
        while (this.again) {
          this.again = false;
          this.show(await this.look(false));
        }
      } finally {
        this.looking = false;
      }
    });
    clearTimeout(this.calm);
    this.calm = setTimeout(() => trying(() => this.lookFinely()), 600);
  }

  look(fine) {
    return ask(`/api/models/${this.id}/look`, { row: this.board.row, missing: this.board.missing, fine, seed: 0 });
  }

  /** Once the reader has stopped drawing, the completion gets more chains and sweeps. */
  async lookFinely() {
    if (this.looking || !this.board.missing.includes(true)) return;
    const { completion, completion_note: note } = await this.look(true);
    if (this.looking || !completion) return;
    this.board.tell(this.reconstructed, completion);
    this.paintOne(this.completion, completion);
    this.completionNote.textContent = note;
  }

  show({ posterior, reconstruction, completion, completion_note: note, classes, log_prob: logProb }) {
    this.reconstructed = reconstruction;
    this.paintOne(this.reconstruction, reconstruction);
    this.board.tell(reconstruction, completion);
    this.completion.hidden = !completion;
    if (completion) this.paintOne(this.completion, completion);
    this.completionNote.textContent = note;
    if (logProb) {
      const error = logProb.error === null ? "" : ` ± ${logProb.error.toPrecision(2)} (three standard errors of ln Z = ${this.partition?.value.toFixed(2)})`;
      this.logProb.replaceChildren(element("b", {}, `log p of the board = ${logProb.value.toFixed(2)} nats`), `${error}, ${logProb.side}`);
    }
    this.classes.hidden = classes.length === 0;
    this.classes.textContent = `p(class | row): ${classes.map((p, i) => `${i}: ${p.toFixed(2)}`).join("   ")}`;
    const drawn = posterior.layers.map((means, l) => {
      const canvas = element("canvas", { role: "img", "aria-label": `Posterior means of hidden layer ${l + 1}: ${means.filter((mean) => mean > 0.5).length} of ${means.length} units are likelier on than off` });
      paint(canvas, { scale: "levels", tiles: [means.map((mean) => Math.round(255 * mean))] }, { columns: 1, width: wide(means.length), zoom: means.length > 300 ? 8 : 12 });
      return element("div", {}, element("h3", {}, `Hidden layer ${l + 1}: ${means.length} units`), this.units.pickable(canvas, l + 1, means.length));
    });
    this.layers.replaceChildren(element("h3", {}, `Posterior means (${posterior.method})`), element("div", { class: "pair" }, ...drawn));
  }

  paintOne(canvas, picture) {
    paint(canvas, picture, { width: this.board.width, columns: 1, zoom: zoomFor(picture.tiles[0].length, 224) });
  }
}

/** Units of a hidden layer in a row of its picture: wider than high. */
export function wide(units) {
  return Math.max(1, Math.min(units, Math.ceil(Math.sqrt(units * 2))));
}

/** A hidden unit: its filter, its neighbours, and the rows of the training data that excite it most. */
class UnitsPanel {
  /** `load` puts a row on the board; without it there are no rows to show. */
  constructor(id, about, width = () => 0, load = null) {
    Object.assign(this, { id, about, width, load, wanted: false, asked: 0 });
    const layers = about.layers.slice(1).map((units, l) => element("option", { value: l + 1 }, `${l + 1} (${units} units)`));
    this.layer = element("select", { onchange: () => this.ask() }, ...layers);
    this.unit = element("input", { type: "number", min: 0, value: 0, onchange: () => this.ask() });
    this.filter = element("canvas", { role: "img", "aria-label": "Weights from the visible units" });
    this.facts = element("div");
    // The data of a run are read only once the reader wants to see them.
    this.excited = element("div", {}, load ? element("button", { type: "button", onclick: () => { this.wanted = true; this.ask(); } },
      "Show the training rows that excite it most") : "");
    this.element = element("section", {}, element("h2", {}, "A hidden unit"),
      element("div", { class: "controls" }, labelled("Hidden layer", this.layer), labelled("Unit, from 0", this.unit)),
      element("div", { class: "pair" }, this.filter, this.facts), this.excited);
    this.ask();
  }

  /** A picture of a layer whose units can be chosen by pointer; by keyboard they are chosen by number. */
  pickable(canvas, layer, units) {
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const [rows, columns] = shapeOf(units, wide(units));
      const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
      const unit = row * columns + Math.floor(((event.clientX - box.left) / box.width) * columns);
      if (unit < units) this.choose(layer, unit);
    });
    return canvas;
  }

  choose(layer, unit) {
    this.layer.value = layer;
    this.unit.value = unit;
    this.ask();
    this.element.scrollIntoView({ block: "nearest" });
  }

  ask() {
    const layer = Number(this.layer.value);
    this.unit.max = this.about.layers[layer] - 1;
    this.unit.value = Math.max(0, Math.min(this.unit.max, Math.floor(Number(this.unit.value)) || 0));
    return trying(async () => {
      const { filter, bias, below, above } = await ask(`/api/models/${this.id}/units/${layer}/${this.unit.value}`);
      const sites = filter.tiles[0].length;
      const width = this.about.categories || this.width();
      paint(this.filter, filter, { width, columns: 1, zoom: zoomFor(sites, 224) });
      const neighbours = (text, all, where) => all.length === 0 ? null : element("div", {}, element("h3", {}, text),
        element("ul", { class: "plain" }, ...all.map(([unit, weight]) => element("li", {},
          element("button", { type: "button", onclick: () => this.choose(where, unit) }, `unit ${unit}`), ` weight ${short(weight)}`))));
      const note = layer > 1 ? "The filter is the product of the weights down to the visible layer." : "The filter is the unit's weights.";
      this.facts.replaceChildren(
        element("p", {}, `Bias ${short(bias)}. Red is above zero, blue below; the greatest weight is ${short(filter.high)}. ${note}`),
        neighbours("Neighbours above", above, layer + 1) || "", neighbours("Neighbours below", below, layer - 1) || "");
      if (this.wanted) await this.askForRows(layer, Number(this.unit.value));
    });
  }

  /** Shows the rows with the greatest posterior means of the unit, or why there are none. */
  async askForRows(layer, unit) {
    this.asked += 1;
    const question = this.asked;
    const show = (...children) => {
      if (question === this.asked) this.excited.replaceChildren(element("h3", {}, "Rows that excite it most"), ...children);
    };
    try {
      const { picture, rows, numbers, means, looked_at: looked, of, method } = await ask(`/api/models/${this.id}/units/${layer}/${unit}/rows`);
      const tiles = picture.tiles.map((tile, i) => {
        const canvas = element("canvas");
        paint(canvas, { scale: picture.scale, tiles: [tile] }, { width: this.width(), columns: 1, zoom: zoomFor(tile.length, 64) });
        return element("button", { type: "button", class: "tile", title: `row ${numbers[i]}, mean ${short(means[i])}`,
          "aria-label": `Put training row ${numbers[i]} on the board, whose mean is ${short(means[i])}`, onclick: () => this.load(rows[i]) }, canvas);
      });
      const which = looked < of ? `${looked} of ${of} training rows, evenly spread, were looked at` : `all ${of} training rows were looked at`;
      show(element("div", { class: "tiles" }, ...tiles), element("p", { class: "note" },
        `Posterior means from ${short(means[0])} down to ${short(means[means.length - 1])} (${method}); ${which}. A row that you choose goes to the board.`));
    } catch (error) {
      show(element("p", { class: "note" }, `There are no rows to show: ${error.message}.`));
    }
  }
}

// Markov chains at work: one layer after another in colour as it is drawn.

import { ask, element, labelled, short, trying } from "./dom.js";
import { paint, zoomFor } from "./pictures.js";
import { wide } from "./model.js";

export class ChainsPanel {
  constructor(id, about, board) {
    Object.assign(this, { id, about, board, state: null, timer: null, sweeps: 0 });
    this.begin = element("button", { type: "button", class: "main", onclick: () => (this.timer ? this.stop() : this.start()) }, "Run");
    this.once = element("button", { type: "button", onclick: () => { this.stop(); trying(() => this.step()); } }, "One sweep");
    this.again = element("button", { type: "button", onclick: () => { this.state = null; trying(() => this.step()); } }, "Start anew");
    this.count = element("input", { type: "number", min: 1, max: 64, value: 12, onchange: () => { this.state = null; } });
    this.speed = element("input", { type: "range", min: 1, max: 20, value: 4, oninput: () => this.tellSpeed() });
    this.speedTold = element("output");
    this.heat = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: 1, oninput: () => this.tellHeat() });
    this.heatTold = element("output");
    this.clamp = element("input", { type: "checkbox", onchange: () => { this.restart(); this.tellHeat(); } });
    this.hot = ["rbm", "dbm"].includes(about.kind);
    this.layers = about.layers.map((_, l) => element("figure", { class: "layer" }, element("canvas", { role: "img", "aria-label": l === 0 ? "Visible units" : `Hidden layer ${l}` }), element("figcaption", {}, l === 0 ? "Visible" : `Hidden layer ${l}`)));
    this.tiles = element("canvas", { role: "img" });
    this.note = element("p", { class: "note" });
    this.panes = element("div", { class: "pair", hidden: true },
      element("div", {}, element("h3", {}, "The first chain, layer by layer"), element("div", { class: "layers" }, ...this.layers.slice().reverse())),
      element("div", {}, element("h3", {}, "All chains"), this.tiles));
    const labels = about.kind === "dbn" && about.classes > 0;
    this.clamp.disabled = labels;
    this.element = element("section", {}, element("h2", {}, "Chains"),
      element("div", { class: "controls" }, this.begin, this.once, this.again,
        labelled("Chains", this.count), labelled("Sweeps a second", element("span", {}, this.speed, " ", this.speedTold)),
        this.hot ? labelled("Inverse temperature", element("span", {}, this.heat, " ", this.heatTold)) : null,
        labelled("Keep the units of the board that are not marked as missing", this.clamp, { class: "line" })),
      labels ? element("p", { class: "note" }, "A deep belief network with label units cannot keep given units.") : null,
      this.panes, this.note);
    this.tellSpeed();
    this.tellHeat();
  }

  tellSpeed() {
    this.speedTold.textContent = this.speed.value;
  }

  tellHeat() {
    this.heat.disabled = this.clamp.checked;
    this.heatTold.textContent = this.clamp.checked ? "1 (given units)" : short(Number(this.heat.value));
  }

  /** Chains of directed layers with given units have other states than free ones. */
  restart() {
    if (!this.hot) this.state = null;
  }

  start() {
    this.begin.textContent = "Pause";
    const turn = async () => {
      const begun = performance.now();
      try {
        await this.step();
      } catch (error) {
        this.stop();
        throw error;
      }
      if (this.timer) this.timer = setTimeout(() => trying(turn), Math.max(0, 1000 / this.speed.value - (performance.now() - begun)));
    };
    this.timer = setTimeout(() => trying(turn), 0);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.begin.textContent = "Run";
  }

  async step() {
    const keep = this.clamp.checked;
    const { row, missing } = this.board;
    const answer = await ask(`/api/models/${this.id}/chains`, {
      state: this.state, chains: Math.max(1, Math.min(64, Number(this.count.value) || 1)), sweeps: 1, row,
      given: missing.map((absent) => keep && !absent),
      beta: this.hot && !keep ? Number(this.heat.value) : 1, seed: 0,
    });
    this.state = answer.state;
    await this.show(answer);
  }

  /** Shows the layers in the order in which they were drawn, each in colour for a moment if there is time. */
  async show({ visible, hidden, order, method, state }) {
    const pictures = [visible.tiles[0], ...hidden.map((states) => Array.from(states[0], (on) => 255 * Number(on)))];
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const pause = still || this.speed.value > 8 ? 0 : 700 / this.speed.value / order.length;
    this.panes.hidden = false;
    this.tiles.setAttribute("aria-label", `Visible units of ${visible.tiles.length} chains`);
    for (const drawn of order) {
      this.layers.forEach((figure, l) => figure.classList.toggle("now", drawn.includes(l)));
      for (const l of drawn) {
        const canvas = this.layers[l].firstChild;
        paint(canvas, { scale: "levels", tiles: [pictures[l]] }, l === 0
          ? { width: this.board.width, columns: 1, zoom: zoomFor(pictures[l].length, 112) }
          : { width: wide(pictures[l].length), columns: 1, zoom: pictures[l].length > 200 ? 4 : 8 });
        canvas.setAttribute("aria-label", l === 0 ? "Visible units of the first chain" : `Units of hidden layer ${l} of the first chain`);
      }
      if (pause) await new Promise((resolve) => { setTimeout(resolve, pause); });
    }
    if (pause) this.layers.forEach((figure) => figure.classList.remove("now"));
    paint(this.tiles, visible, { width: this.board.width, columns: 6, zoom: zoomFor(visible.tiles[0].length, 64) });
    this.note.textContent = `${state.sweeps} sweep${state.sweeps === 1 ? "" : "s"}; ${method}. ${order.length === 2 ? "The coloured layers are drawn together, given the others." : "The coloured layer is drawn given its neighbours."}`;
  }
}

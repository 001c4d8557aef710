// The view of runs: a table, curves over each other, and filters and fantasies as they form.

import { chart } from "./chart.js";
import { ask, element, labelled, short, time, trying } from "./dom.js";
import { paint, zoomFor } from "./pictures.js";

/** Names of the quantities in metrics.jsonl that are read most; others are shown by their field. */
const NAMES = {
  log_likelihood: "Log-likelihood, validation rows (exact)",
  train_log_likelihood: "Log-likelihood, training rows (exact)",
  estimated_log_likelihood: "Log-likelihood, validation rows (estimate)",
  train_estimated_log_likelihood: "Log-likelihood, training rows (estimate)",
  importance_weighted: "Lower bound from 20 draws, validation rows",
  train_importance_weighted: "Lower bound from 20 draws, training rows",
  elbo: "ELBO, validation rows",
  train_elbo: "ELBO, training rows",
  pseudo_log_likelihood: "Pseudo-log-likelihood, validation rows",
  reconstruction: "Reconstruction error, validation rows",
  free_energy_gap: "Free energy gap",
  error_rate: "Error rate, validation rows",
  cross_entropy: "Cross-entropy, validation rows",
  log_partition: "ln Z",
  chain_flips: "Movement of the chains",
  learning_rate: "Learning rate",
};

/** Quantities with a standard error that a band shows: that of ln Z. */
const BANDS = { estimated_log_likelihood: "log_partition_error", train_estimated_log_likelihood: "log_partition_error", log_partition: "log_partition_error" };

/** Figures of the course of training, which say nothing of how good a model is. */
const SETTINGS = ["free_energy_gap", "log_partition", "chain_flips", "learning_rate"];
/** Fields that are no quantity of their own. */
const COUNTERS = ["epoch", "step", "seconds", "layers"];
/** Settings that say nothing of how a run learns. */
const UNTOLD = ["data.cache_dir", "data.data_dir", "threads", "checkpoint_every"];
const MOST_SETTINGS = 8;
const COLOURS = 8;
const MOST_FRAMES = 200;

/** Opens the view; the answer closes it. */
export async function openRuns(main) {
  const view = new RunsView();
  main.append(view.table, view.curves, view.forming);
  await view.refresh();
  const events = new EventSource("/api/live");
  events.addEventListener("changed", (event) => view.changed(JSON.parse(event.data)));
  return () => events.close();
}

class RunsView {
  constructor() {
    this.runs = [];
    this.chosen = new Map();
    this.courses = new Map();
    this.frames = new Map();
    this.field = null;
    this.busy = Promise.resolve();
    this.begun = false;
    this.body = element("div", { class: "wide", role: "region", tabindex: 0, "aria-label": "Table of runs" });
    this.table = element("section", {}, element("h2", {}, "Runs"), this.body);
    this.quantity = element("select", { onchange: () => { this.field = this.quantity.value; this.draw(); } });
    this.axis = element("select", { onchange: () => this.draw() },
      ...["epoch", "step", "seconds"].map((name) => element("option", { value: name }, name)));
    this.chart = chart(() => `Curves of ${[...this.chosen.keys()].length} runs: ${this.nameOf(this.field)}`);
    this.curves = element("section", {}, element("h2", {}, "Curves"),
      element("div", { class: "controls" }, labelled("Quantity", this.quantity), labelled("Against", this.axis)),
      this.chart.element,
      element("p", { class: "note" }, "A ring marks the best epoch. A dashed line marks where another layer begins to learn. A band is one standard error of ln Z."));
    this.makeForming();
  }

  makeForming() {
    this.run = element("select", { onchange: () => trying(() => this.showMoments(true)) });
    this.slider = element("input", { type: "range", min: 0, max: 0, value: 0, oninput: () => trying(() => this.showMoment()) });
    this.moment = element("output", { class: "note" });
    this.filters = element("canvas", { role: "img" });
    this.fantasies = element("canvas", { role: "img" });
    this.note = element("p", { class: "note" });
    this.forming = element("section", {}, element("h2", {}, "Filters and fantasies"),
      element("div", { class: "controls" }, labelled("Run", this.run), labelled("Moment", this.slider), this.moment),
      element("div", { class: "pair" },
        element("div", {}, element("h3", {}, "Filters of the first hidden layer"), this.filters,
          element("p", { class: "note" }, "Weights of the strongest units: red above zero, blue below.")),
        element("div", {}, element("h3", {}, "Fantasies"), this.fantasies, this.note)));
  }

  nameOf(field) {
    return NAMES[field] || (field || "").replaceAll("_", " ");
  }

  /** Reads the table again; the first runs are chosen at once. */
  async refresh() {
    this.runs = await ask("/api/runs");
    const sound = this.runs.filter((run) => run.about);
    if (!this.begun) sound.slice(0, COLOURS).forEach((run) => this.chosen.set(run.id, this.freeColour()));
    this.begun ||= sound.length > 0;
    sound.filter((run) => run.about.state === "training" && !this.courses.has(run.id) && !this.chosen.has(run.id))
      .forEach((run) => this.choose(run.id));
    await this.follow();
    this.drawTable();
    this.offerRuns(sound);
  }

  freeColour() {
    const taken = [...this.chosen.values()];
    return [...Array(COLOURS).keys()].find((colour) => !taken.includes(colour)) ?? null;
  }

  choose(id) {
    const colour = this.freeColour();
    if (colour !== null) this.chosen.set(id, colour);
    return colour !== null;
  }

  /** Some runs have changed on disk. One answer after another, so that no record is taken twice. */
  changed() {
    this.busy = this.busy.then(() => trying(() => this.refresh()));
  }

  /** Reads what is new of the chosen runs. */
  async follow() {
    for (const id of this.chosen.keys()) {
      const known = this.courses.get(id) || { records: [], moments: [] };
      let course = await ask(`/api/runs/${id}/from/${known.records.length}`);
      const epochs = this.runs.find((run) => run.id === id)?.about?.epochs ?? 0;
      if (epochs < known.records.length) {
        known.records = [];
        course = await ask(`/api/runs/${id}/from/0`);
      }
      this.courses.set(id, { records: known.records.concat(course.records), moments: course.moments });
    }
    this.offerFields();
    this.draw();
  }

  offerFields() {
    const records = [...this.chosen.keys()].flatMap((id) => this.courses.get(id)?.records.slice(-1) || []);
    const fields = [...new Set(records.flatMap(Object.keys))].filter((field) => !COUNTERS.includes(field));
    const rank = (field) => { const at = Object.keys(NAMES).indexOf(field); return at < 0 ? 99 : at; };
    fields.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
    if (!fields.includes(this.field)) {
      const measured = fields.filter((field) => field in NAMES && !SETTINGS.includes(field));
      const runs = (field) => records.filter((record) => field in record).length;
      this.field = measured.reduce((a, b) => (runs(b) > runs(a) ? b : a), measured[0]) || fields[0];
    }
    this.quantity.replaceChildren(...fields.map((field) => element("option", { value: field, selected: field === this.field }, this.nameOf(field))));
  }

  draw() {
    const axis = this.axis.value;
    const curves = this.runs.filter((run) => this.chosen.has(run.id)).map((run) => {
      const { records } = this.courses.get(run.id) || { records: [] };
      const told = records.filter((record) => typeof record[this.field] === "number" && typeof record[axis] === "number");
      const error = BANDS[this.field];
      const best = run.about?.best?.field === this.field && told.find((record) => record.epoch === run.about.best.epoch);
      return {
        name: run.name,
        colour: this.chosen.get(run.id),
        points: told.map((record) => [record[axis], record[this.field]]),
        band: told.filter((record) => error && record[error] > 0)
          .map((record) => [record[axis], record[this.field] - record[error], record[this.field] + record[error]]),
        best: best ? [best[axis], best[this.field]] : null,
        boundaries: records.filter((record, i) => i > 0 && record.layers !== records[i - 1].layers).map((record) => record[axis]),
      };
    });
    this.chart.redraw(curves.filter((curve) => curve.points.length > 0), { x: axis, y: this.nameOf(this.field) });
  }

  /** Settings in which the runs differ, the most telling first. */
  differing(sound) {
    const names = [...new Set(sound.flatMap((run) => Object.keys(run.about.settings)))].filter((name) => !UNTOLD.includes(name));
    const differ = (name) => new Set(sound.map((run) => JSON.stringify(run.about.settings[name]))).size > 1;
    return sound.length < 2 ? [] : names.filter((name) => !["model.kind", "model.hidden"].includes(name) && differ(name)).slice(0, MOST_SETTINGS);
  }

  drawTable() {
    if (this.runs.length === 0) {
      this.body.replaceChildren(element("p", { class: "note" }, "No run yet. A run that is trained into this folder appears here by itself."));
      return;
    }
    const focused = document.activeElement?.getAttribute?.("data-run");
    const differing = this.differing(this.runs.filter((run) => run.about));
    const heads = ["Run", "Model", "Hidden", "State", "Epochs", "Time", "Best on validation", "Measured log p", ...differing.map((name) => name.replace("model.", ""))];
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
    const rows = this.runs.map((run) => this.row(run, differing));
    this.body.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
    if (focused) this.body.querySelector(`[data-run="${focused}"]`)?.focus();
  }

  row(run, differing) {
    const colour = this.chosen.get(run.id);
    const box = element("input", {
      type: "checkbox", checked: colour !== undefined, disabled: !run.about, "data-run": run.id,
      onchange: (event) => trying(async () => {
        if (!event.target.checked) this.chosen.delete(run.id);
        else if (!this.choose(run.id)) { event.target.checked = false; throw new Error(`At most ${COLOURS} runs are drawn over each other.`); }
        await this.follow();
        this.drawTable();
      }),
    });
    const swatch = colour === undefined ? null : element("span", { class: `swatch c${colour}` });
    const name = element("th", { scope: "row" }, element("label", { class: "line" }, box, swatch, run.name));
    if (!run.about) return element("tr", {}, name, element("td", { colspan: 7 + differing.length }, run.error));
    const { about } = run;
    const best = about.best ? `${short(about.best.value)} ${this.brief(about.best.field)} at epoch ${about.best.epoch}` : "–";
    const cells = [about.model, about.hidden.join("-"), about.state, `${about.epochs} of ${about.all_epochs}`, time(about.seconds), best, this.measured(about.evaluations)];
    return element("tr", {}, name, ...cells.map((cell) => element("td", {}, cell)),
      ...differing.map((setting) => element("td", {}, short(about.settings[setting] ?? null))));
  }

  brief(field) {
    return { log_likelihood: "log p", estimated_log_likelihood: "log p (estimate)", importance_weighted: "bound", elbo: "ELBO", reconstruction: "reconstruction error", pseudo_log_likelihood: "pseudo-log-likelihood", error_rate: "error rate" }[field] || this.nameOf(field);
  }

  /** The first evaluation that `dgm eval --out` left in the folder, with its interval. */
  measured([evaluation]) {
    if (!evaluation) return "–";
    const { quantity, value, low, high, side, source, split } = evaluation;
    const end = (x) => (x === null ? "open" : short(x));
    const what = quantity === "log p" ? side : quantity;
    return `${short(value)} [${end(low)}, ${end(high)}] ${what}, ${split} rows of ${source}`;
  }

  offerRuns(sound) {
    const wanted = this.run.value;
    this.run.replaceChildren(...sound.map((run) => element("option", { value: run.id, selected: String(run.id) === wanted }, run.name)));
    return trying(() => this.showMoments(false));
  }

  /** Offers the moments of the chosen run. The slider stays at the last moment if it stood there. */
  async showMoments(anew) {
    if (this.run.value === "") { this.forming.hidden = true; return; }
    this.forming.hidden = false;
    const id = Number(this.run.value);
    const { moments } = this.courses.get(id) || (await ask(`/api/runs/${id}/from/0`));
    const kept = this.frames.get(id) || [];
    const fresh = moments.filter((moment) => !kept.some((frame) => frame.moment.key === moment.key && frame.moment.changed === moment.changed));
    // The page remembers moments whose files are gone, so that the slider goes through all that it has seen.
    const frames = kept.concat(fresh.map((moment) => ({ moment, pictures: null })));
    // The model stands last, after the checkpoints that led to it.
    const place = ({ moment }) => (moment.key === "model" ? Infinity : moment.changed);
    frames.sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
    this.frames.set(id, frames);
    const last = Number(this.slider.value) >= Number(this.slider.max);
    this.slider.max = Math.max(0, frames.length - 1);
    if (anew || last) this.slider.value = this.slider.max;
    this.slider.disabled = frames.length < 2;
    if (anew || last || fresh.length > 0) await this.showMoment();
    await this.remember(id, fresh);
  }

  /** Fetches new moments at once while the page is seen, because a checkpoint is soon replaced by the next. */
  async remember(id, fresh) {
    for (const moment of document.visibilityState === "visible" ? fresh : []) {
      const frame = this.frames.get(id).find((known) => known.moment === moment);
      if (frame && !frame.pictures) frame.pictures = await ask(`/api/runs/${id}/moments/${moment.key}`);
    }
    const lasting = new Set((this.courses.get(id)?.moments || []).map((moment) => moment.key));
    const kept = this.frames.get(id).filter((frame) => frame.pictures || lasting.has(frame.moment.key)).slice(-MOST_FRAMES);
    this.frames.set(id, kept);
    if (Number(this.run.value) === id) this.slider.max = Math.max(0, kept.length - 1);
  }

  async showMoment() {
    const id = Number(this.run.value);
    const frame = (this.frames.get(id) || [])[Number(this.slider.value)];
    if (!frame) {
      this.moment.textContent = "Nothing is saved yet: the first checkpoint shows the first filters.";
      [this.filters, this.fantasies].forEach((canvas) => { canvas.hidden = true; });
      this.note.textContent = "";
      return;
    }
    this.moment.textContent = frame.moment.label;
    this.slider.setAttribute("aria-valuetext", frame.moment.label);
    frame.pictures ??= await ask(`/api/runs/${id}/moments/${frame.moment.key}`);
    if (!frame.pictures) {
      this.note.textContent = "The run has replaced this checkpoint by a newer one.";
      return;
    }
    const { filters, fantasies, note } = frame.pictures;
    this.show(this.filters, filters, 10, `Filters, ${frame.moment.label}`);
    this.show(this.fantasies, fantasies, 5, `Fantasies, ${frame.moment.label}`);
    this.note.textContent = note || "Means of the visible units after 100 sweeps from the same start, or independent samples of a belief net.";
  }

  show(canvas, picture, columns, label) {
    canvas.hidden = !picture;
    if (!picture) return;
    const units = picture.tiles[0].length;
    paint(canvas, picture, { columns, zoom: zoomFor(units, columns > 5 ? 48 : 64) });
    canvas.setAttribute("aria-label", label);
  }
}

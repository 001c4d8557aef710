// The board on which a row is drawn: by pointer, by keyboard, or as a list of units.

import { element, labelled, short } from "./dom.js";
import { shapeOf } from "./pictures.js";

/** What a stroke does. */
const TOOLS = [["draw", "Draw"], ["erase", "Erase"], ["mark", "Mark as missing"], ["unmark", "Unmark"]];
const SIDE = 336;
/** The most units that are listed one by one. */
const LISTED = 200;

export class Board {
  /** `changed` is called after each stroke and each step of a stroke. */
  constructor(about, changed) {
    this.about = about;
    this.changed = changed;
    this.row = Array(about.sites).fill(0);
    this.missing = Array(about.sites).fill(false);
    this.gaussian = about.visible === "gaussian";
    this.width = shapeOf(about.sites)[1];
    this.at = 0;
    this.tool = "draw";
    this.canvas = element("canvas", { tabindex: 0, role: "application", class: "board" });
    this.told = element("p", { class: "note", "aria-live": "polite" });
    this.list = element("div", { class: "list", hidden: true });
    this.element = element("div", { class: "stack" }, element("div", {}, this.canvas, this.list, this.told), this.controls());
    this.listen();
    const square = Number.isInteger(Math.sqrt(about.sites));
    this.showList(!square && about.sites <= LISTED);
    this.paint();
  }

  controls() {
    const buttons = TOOLS.map(([tool, text]) => element("button", { type: "button", "data-tool": tool, "aria-pressed": String(tool === this.tool), onclick: () => this.use(tool) }, text));
    this.tools = element("div", { class: "controls", role: "group", "aria-label": "What a stroke does" }, ...buttons);
    const most = this.about.categories ? this.about.categories - 1 : 1;
    this.value = element("input", { type: "number", value: most, step: this.gaussian ? "any" : 1, min: this.gaussian ? null : 0, max: this.gaussian ? null : most });
    this.columns = element("input", { type: "number", min: 1, max: this.about.sites, value: this.width,
      onchange: () => { this.width = Math.max(1, Math.min(this.about.sites, Number(this.columns.value) || 1)); this.paint(); this.changed(); } });
    this.asList = element("input", { type: "checkbox", onchange: () => this.showList(this.asList.checked) });
    const whole = (text, change) => element("button", { type: "button", onclick: () => { change(); this.paint(); this.changed(); } }, text);
    const [height] = shapeOf(this.about.sites, this.width);
    return element("div", {}, this.tools,
      element("div", { class: "controls" },
        this.gaussian || this.about.categories ? labelled("Value that is drawn", this.value) : null,
        labelled("Units in a row of the picture", this.columns),
        this.about.sites <= LISTED ? labelled("As a list of units", this.asList, { class: "line" }) : null),
      element("div", { class: "controls" },
        whole("Clear the board", () => { this.row.fill(0); this.missing.fill(false); }),
        whole("Mark the lower half", () => this.missing.forEach((_, i) => { this.missing[i] = Math.floor(i / this.width) >= height / 2; })),
        whole("Unmark all", () => this.missing.fill(false))),
      this.strokes = element("p", { class: "note" }, "Draw with a mouse or a finger. With the keyboard: arrow keys move the ring, space draws, delete erases, M marks a unit as missing."));
  }

  use(tool) {
    this.tool = tool;
    this.tools.querySelectorAll("button").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.tool === tool)));
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      this.last = null;
      this.stroke(event);
    });
    canvas.addEventListener("pointermove", (event) => { if (event.buttons) this.stroke(event); });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.paint());
    canvas.addEventListener("blur", () => this.paint());
  }

  /** Applies the tool to all units between the last place of the pointer and this one. */
  stroke(event) {
    const box = this.canvas.getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width * this.width, (event.clientY - box.top) / box.height * shapeOf(this.about.sites, this.width)[0]];
    const from = this.last || place;
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(place[0] - from[0], place[1] - from[1])));
    for (let i = 0; i <= steps; i += 1) {
      const [x, y] = [0, 1].map((axis) => from[axis] + (place[axis] - from[axis]) * i / steps);
      this.touch(x, y);
    }
    this.last = place;
    this.paint();
    this.changed();
  }

  /** Touches the unit at a place; on large boards the brush is wider than a unit. */
  touch(x, y) {
    const radius = this.width > 16 ? 0.9 : 0;
    const height = shapeOf(this.about.sites, this.width)[0];
    for (let row = Math.floor(y - radius); row <= Math.floor(y + radius); row += 1) {
      for (let column = Math.floor(x - radius); column <= Math.floor(x + radius); column += 1) {
        if (row < 0 || row >= height || column < 0 || column >= this.width) continue;
        if (radius && Math.hypot(column + 0.5 - x, row + 0.5 - y) > radius + 0.3) continue;
        const unit = row * this.width + column;
        if (unit < this.about.sites) this.apply(this.tool, unit);
      }
    }
  }

  apply(tool, unit) {
    if (tool === "draw") this.row[unit] = this.pen();
    if (tool === "erase") this.row[unit] = 0;
    if (tool === "mark") this.missing[unit] = true;
    if (tool === "unmark") this.missing[unit] = false;
  }

  /** The value that is drawn. */
  pen() {
    const value = Number(this.value.value);
    if (this.gaussian) return Number.isFinite(value) ? value : 0;
    return Math.max(0, Math.min(Number(this.value.max), Math.round(value)));
  }

  key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.width, ArrowDown: this.width };
    const acts = { " ": this.tool, Enter: this.tool, Delete: "erase", Backspace: "erase", m: this.missing[this.at] ? "unmark" : "mark" };
    if (event.key in moves) {
      const to = this.at + moves[event.key];
      if (to >= 0 && to < this.about.sites) this.at = to;
    } else if (event.key in acts) {
      this.apply(acts[event.key], this.at);
      this.changed();
    } else return;
    event.preventDefault();
    this.paint();
    const [row, column] = [Math.floor(this.at / this.width) + 1, this.at % this.width + 1];
    this.told.textContent = `Row ${row}, column ${column}: ${short(this.row[this.at])}${this.missing[this.at] ? ", missing" : ""}`;
  }

  /** Tells the model's mean of each listed unit: the completion where it is missing, else the reconstruction. */
  tell(reconstruction, completion) {
    if (this.list.hidden) return;
    const mean = ({ tiles: [tile], low, high }, unit) => low + (tile[unit] / 255) * (high - low);
    this.row.forEach((_, unit) => {
      const picture = this.missing[unit] && completion ? completion : reconstruction;
      this.list.children[unit].lastChild.textContent = `model: ${mean(picture, unit).toFixed(2)}`;
    });
  }

  /** Puts a row on the board. */
  load(row) {
    this.row = row.slice();
    this.paint();
    this.changed();
  }

  showList(asList) {
    this.asList.checked = asList;
    this.tools.hidden = asList;
    this.value.parentElement?.toggleAttribute("hidden", asList);
    this.strokes.hidden = asList;
    this.list.hidden = !asList;
    this.canvas.hidden = asList;
    this.paint();
  }

  paint() {
    if (!this.list.hidden) this.paintList();
    const [height, width] = shapeOf(this.about.sites, this.width);
    const cell = Math.max(4, Math.floor(SIDE / Math.max(height, width)));
    Object.assign(this.canvas, { width: width * cell, height: height * cell });
    const context = this.canvas.getContext("2d");
    const level = this.levels();
    this.row.forEach((value, unit) => {
      const [x, y] = [(unit % width) * cell, Math.floor(unit / width) * cell];
      const tone = level(value);
      context.fillStyle = `rgb(${tone} ${tone} ${tone})`;
      context.fillRect(x, y, cell, cell);
      if (this.missing[unit]) {
        context.fillStyle = "rgb(70 140 230 / 60%)";
        context.fillRect(x, y, cell, cell);
      } else if (cell > 8) {
        context.strokeStyle = "rgb(128 128 128 / 45%)";
        context.strokeRect(x + 0.5, y + 0.5, cell - 1, cell - 1);
      }
    });
    if (document.activeElement === this.canvas) {
      context.strokeStyle = "#ff9d2e";
      context.lineWidth = 2;
      context.strokeRect((this.at % width) * cell + 1, Math.floor(this.at / width) * cell + 1, cell - 2, cell - 2);
    }
    const on = this.row.filter((value) => value !== 0).length;
    const missing = this.missing.filter(Boolean).length;
    this.canvas.setAttribute("aria-label", `Board of ${height} rows and ${width} columns; ${on} units are not 0, ${missing} are missing. Arrow keys move, space draws.`);
  }

  /** The grey level of a value. */
  levels() {
    const [low, high] = this.gaussian ? [Math.min(0, ...this.row), Math.max(1, ...this.row)] : [0, (this.about.categories || 2) - 1];
    return (value) => Math.round((255 * (value - low)) / (high - low));
  }

  paintList() {
    if (this.list.childElementCount === this.about.sites) {
      this.row.forEach((value, unit) => {
        const [field, box] = this.list.children[unit].querySelectorAll("input");
        field.value = value;
        box.checked = this.missing[unit];
      });
      return;
    }
    const line = (value, unit) => {
      const field = element("input", { type: "number", value, "aria-label": `Value of unit ${unit}`, step: this.gaussian ? "any" : 1,
        min: this.gaussian ? null : 0, max: this.gaussian ? null : this.value.max,
        onchange: () => { this.row[unit] = this.gaussian ? Number(field.value) || 0 : Math.max(0, Math.min(Number(this.value.max), Math.round(Number(field.value)))); this.paint(); this.changed(); } });
      const box = element("input", { type: "checkbox", checked: this.missing[unit], "aria-label": `Unit ${unit} is missing`,
        onchange: () => { this.missing[unit] = box.checked; this.paint(); this.changed(); } });
      return element("div", {}, element("span", {}, `unit ${unit}`), field, element("span", { class: "line" }, box, " missing"), element("span", { class: "note" }));
    };
    this.list.replaceChildren(...this.row.map(line));
  }
}

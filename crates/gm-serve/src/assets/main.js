// The page: it asks what is shown, and opens the view that the address names.

import { ask, element, trying } from "./dom.js";
import { openChapter } from "./chapter.js";
import { openModel } from "./model.js";
import { openRuns } from "./runs.js";

const main = document.getElementById("main");
let close = () => {};

// The token came with the address and is a cookie now; it need not stay in sight.
if (location.search) history.replaceState(null, "", `/${location.hash}`);

/** The views, by the first word after the #. */
const VIEWS = { runs: { label: "Runs", open: openRuns }, model: { label: "Model", open: openModel }, chapter: { label: "Chapter", open: openChapter } };

function shown() {
  const [view, ...rest] = location.hash.slice(1).split("/");
  return VIEWS[view] ? [view, rest] : [Object.keys(VIEWS)[0], []];
}

function show() {
  const [view, rest] = shown();
  const links = Object.entries(VIEWS).map(([name, { label }]) =>
    element("li", {}, element("a", { href: `#${name}`, "aria-current": name === view ? "page" : null }, label)));
  document.getElementById("views").replaceChildren(...links);
  close();
  main.replaceChildren();
  return trying(async () => { close = (await VIEWS[view].open(main, rest)) || (() => {}); });
}

trying(async () => {
  const shelf = await ask("/api/shelf");
  document.getElementById("title").textContent = shelf.title;
  document.title = `dgm · ${shelf.title}`;
  if (!shelf.runs) delete VIEWS.runs;
  if (!shelf.models) delete VIEWS.model;
  window.addEventListener("hashchange", show);
  await show();
});

// Small helpers: elements, questions to the server, and messages to the reader.

/** Makes an element. Properties that begin with "on" are listeners; others are attributes, left out if null or false. */
export function element(tag, properties = {}, ...children) {
  const name = tag.startsWith("svg:") ? tag.slice(4) : tag;
  const made = name === tag ? document.createElement(tag) : document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== null && value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A control with its label. */
export function labelled(text, control, properties = {}) {
  return element("label", properties, text, control);
}

/** Asks the server; with a body the question is a POST. Throws an Error with the server's words. */
export async function ask(path, body) {
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : post);
  } catch {
    throw new Error("The server does not answer. Is `dgm serve` still running?");
  }
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error);
  return document;
}

/** Shows a message; an empty one clears the line. */
export function say(text) {
  document.getElementById("status").textContent = text;
}

/** Runs asynchronous work and shows its error. */
export async function trying(work) {
  try {
    await work();
    say("");
  } catch (error) {
    say(error.message);
  }
}

/** A number in a few digits. */
export function short(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(5)));
}

/** Seconds as a reader says them. */
export function time(seconds) {
  if (seconds < 60) return `${short(Number(seconds.toFixed(1)))} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

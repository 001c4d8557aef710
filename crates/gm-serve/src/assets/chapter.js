// The chapter's exhibits: small models whose figures are enumerated.

import { chart } from "./chart.js";
import { ask, element, labelled, short, trying } from "./dom.js";

/** Opens the view. */
export async function openChapter(main) {
  for (const exhibit of [alarm(), gibbs(), prior(), greedy(), interval()]) main.append(exhibit);
}

/** A section with its words, formula, controls and code. */
function exhibit(title, words, formula, content, code) {
  return element("section", {}, element("h2", {}, title), element("p", {}, words),
    element("p", { class: "formula" }, formula), ...content,
    element("details", {}, element("summary", {}, "The code"), element("pre", { tabindex: 0, "aria-label": `Code: ${title}` }, element("code", {}, code))));
}

/** A slider with its value beside it. */
function slider(text, { min, max, step, value }, changed) {
  const told = element("output", {}, short(value));
  const input = element("input", { type: "range", min, max, step, value, oninput: () => { told.textContent = short(Number(input.value)); changed(); } });
  return { input, field: labelled(text, element("span", {}, input, " ", told)) };
}

function alarm() {
  const told = element("p", { id: "beliefs", class: "figure", "aria-live": "polite" });
  const known = (text, yes, no) => element("select", { onchange: () => show() },
    element("option", { value: "" }, text), element("option", { value: "true" }, yes), element("option", { value: "false" }, no));
  const rings = known("nobody has heard", "it rings", "it is silent");
  const quaked = known("nobody knows", "there was one", "there was none");
  const burglary = slider("Prior probability of a burglary", { min: 0.01, max: 0.5, step: 0.01, value: 0.1 }, () => show());
  const quake = slider("Prior probability of an earthquake", { min: 0.01, max: 0.5, step: 0.01, value: 0.1 }, () => show());
  rings.value = "true";
  const of = (select) => (select.value === "" ? null : select.value === "true");
  function show() {
    quake.input.disabled = quaked.value !== "";
    return trying(async () => {
      const found = await ask("/api/chapter/alarm", {
        burglary: Number(burglary.input.value), earthquake: Number(quake.input.value), rings: of(rings), quaked: of(quaked),
      });
      told.replaceChildren("p(burglary) = ", element("b", {}, found.burglary.toFixed(4)), ", p(earthquake) = ", element("b", {}, found.earthquake.toFixed(4)),
        `, correlation of the two ${found.correlation.toFixed(4)}`);
    });
  }
  show();
  return exhibit("Explaining away",
    "A burglary and an earthquake both set off the alarm, and do not depend on each other. Once the alarm rings they compete: let there be an earthquake, and the burglary becomes less likely.",
    "p(alarm = 1 | b, e) = s(7 b + 5 e − 5)",
    [element("div", { class: "controls" }, labelled("Alarm", rings), labelled("Earthquake", quaked), burglary.field, quake.field), told],
    "let sbn = Sbn::new(stack, None)?;             // one visible unit, two hidden ones\nlet posterior = sbn.posterior(&alarm, 0)?;    // exact, by enumeration\nlet (means, together) = (posterior.means(), posterior.correlation(0, 1));");
}

function gibbs() {
  const told = element("p", { id: "mixing", class: "figure", "aria-live": "polite" });
  const curves = chart(() => "Distance from the model against the number of sweeps");
  const scale = slider("Size of the weights", { min: 0, max: 2, step: 0.1, value: 1.4 }, () => show());
  function show() {
    return trying(async () => {
      const found = await ask("/api/chapter/gibbs", { scale: Number(scale.input.value) });
      const curve = (name, colour, distances) => ({ name, colour, points: distances.map((distance, sweeps) => [sweeps, round(distance)]) });
      told.replaceChildren("after 10 sweeps: block ", element("b", {}, found.block[10].toFixed(4)), ", single units ", element("b", {}, found.single[10].toFixed(4)), ", 0 would be the model itself");
      curves.redraw([curve("block Gibbs: a layer at once", 0, found.block), curve("single units, chosen at random", 1, found.single)], { x: "sweeps", y: "distance" });
    });
  }
  show();
  return exhibit("Block Gibbs sampling",
    "Given the hidden units of an RBM the visible ones are independent, and the other way round. So a whole layer is drawn at once. With as many draws, units that are drawn one at a time forget their start more slowly; and strong weights slow both down, because half of the states are far from the other half.",
    "h ~ p(h | v), v ~ p(v | h)   against   x_i ~ p(x_i | all others)",
    [element("div", { class: "controls" }, scale.field), told, curves.element],
    "let found = mixing(&rbm, 30)?;   // exact distributions over all 1024 states, from the state of zeros\nprintln!(\"{} {}\", found.block[10], found.single[10]);");
}

/** A figure without the last digits, in which only rounding speaks. */
function round(value) {
  return Math.round(value * 1e6) / 1e6;
}

function prior() {
  const told = element("p", { class: "figure", "aria-live": "polite" });
  const [nats, together] = [chart(() => "ln p and its bound against the scale of the upper weights"), chart(() => "Correlation of two causes against the scale")];
  let found = [];
  const scale = slider("Upper weights, as a multiple of the tied ones", { min: 0, max: 2, step: 0.05, value: 1 }, () => show());
  function show() {
    const at = found[Math.round(Number(scale.input.value) / 0.05)];
    if (!at) return;
    told.replaceChildren("ln p(v) = ", element("b", {}, at.log_prob.toFixed(4)), ", bound ", element("b", {}, at.bound.toFixed(4)), `, correlation of the causes ${round(at.correlation).toFixed(4)}`);
    const curve = (name, colour, field) => ({ name, colour, word: "at the slider", points: found.map((point) => [point.scale, round(point[field])]), best: [at.scale, round(at[field])] });
    nats.redraw([curve("ln p(v), exact", 0, "log_prob"), curve("bound with independent causes", 1, "bound")], { x: "scale", y: "nats" });
    together.redraw([curve("correlation of two causes", 2, "correlation")], { x: "scale", y: "correlation" });
  }
  trying(async () => { found = await ask("/api/chapter/prior"); show(); });
  return exhibit("The complementary prior",
    "An RBM is unrolled into a directed layer with an RBM on top. While the upper weights are the lower ones transposed (scale 1), the prior on top undoes the explaining away: the causes of the row 110 are independent, and the bound is exact. Untie the weights and both are lost.",
    "p(v, h) = p(v | h; W) p(h; W′),  tied: W′ = Wᵀ",
    [element("div", { class: "controls" }, scale.field), told, element("div", { class: "pair" }, nats.element, together.element)],
    "let mut dbn = Dbn::unroll(&rbm, 2)?;\ndbn.stack_mut().update_weights(1, |weights| *weights *= scale);\nlet log_z = dbn.log_partition()?;\nlet (log_p, bound) = (dbn.log_prob(&v, log_z)?[0], dbn.exact_bound(&v, log_z, 1)?[0]);\nlet together = dbn.posterior(&v, 0)?.correlation(0, 1);");
}

function greedy() {
  const told = element("p", { id: "greedy", class: "figure", "aria-live": "polite" });
  const curves = chart(() => "ln p and its bound against the number of updates");
  trying(async () => {
    const found = await ask("/api/chapter/greedy");
    const last = (layers) => found.findLast((one) => one.layers === layers);
    const boundaries = [1, 2].map((layers) => last(layers).update);
    const curve = (name, colour, field) => ({ name, colour, boundaries, points: found.map((one) => [one.update, round(one[field])]) });
    told.replaceChildren(...[1, 2, 3].flatMap((layers) => [`${layers > 1 ? "; " : ""}${layers} layer${layers > 1 ? "s" : ""}: ln p `, element("b", {}, last(layers).log_prob.toFixed(3)), ", bound ", element("b", {}, last(layers).bound.toFixed(3))]));
    curves.redraw([curve("ln p(v), exact", 0, "log_prob"), curve("bound, exact", 1, "bound")], { x: "updates", y: "nats a row" });
  });
  return exhibit("Greedy learning",
    "A network learns bars and stripes of 3 by 3 pixels layer by layer: each new RBM begins with the transposed weights of the one below, so that nothing is lost, and learns the states of its hidden units, whose weights are kept. What it gains for their prior raises the bound; ln p itself need not rise as fast.",
    "ln p(v) ≥ E_q[ln p(v | h)] + E_q[ln p(h)] + H(q),  where p(h) is what the next layer learns",
    [told, curves.element],
    "let mut learner = DbnLearner::new(&means, &DbnSettings { hidden: vec![4, 9, 4], ..Default::default() }, &streams)?;\nlearner.step(&rows, &clock, &streams)?;\nlet (dbn, log_z) = (learner.dbn(), learner.dbn().log_partition()?);\nlet (log_p, bound) = (dbn.log_prob(&v, log_z)?, dbn.exact_bound(&v, log_z, 1)?);");
}

function interval() {
  const curves = chart(() => "The two ends of an interval against the number of temperatures");
  trying(async () => {
    const found = await ask("/api/chapter/interval");
    const curve = (name, colour, field) => ({ name, colour, points: found.map((one) => [Math.log10(one.temperatures), one[field]]) });
    curves.redraw([curve("upper end", 1, "high"), curve("exact", 2, "exact"), curve("lower end", 0, "low")], { x: "log10 of the temperatures", y: "nats a row" });
  });
  return exhibit("The two sides of an interval",
    "Annealing into an RBM of 8 and 6 units puts ln Z too low, and annealing out of it too high, with three standard errors on each side. With more temperatures the ends close around the exact mean of ln p.",
    "ln p(v) = −F(v) − ln Z",
    [curves.element],
    "let ais = AisSettings { runs: 50, schedule: Schedule::Linear(temperatures) };\nlet settings = EvalSettings { exact: Exact::No, ais, reverse_runs: 50, ..Default::default() };\nlet found = evaluate_rbm(&rbm, &rows, &settings, &mut unwatched)?.mean_log_prob;\nprintln!(\"{} to {}\", found.low, found.high);");
}

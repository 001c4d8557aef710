// Faults of the page that is shown, as sentences: names of controls, contrast of texts, width, and what the keyboard reaches.
(() => {
  const shown = (node) => node.checkVisibility();
  const faults = [];
  const name = (node) => node.getAttribute("aria-label") || [...(node.labels || [])].map((label) => label.innerText).join("") || node.innerText || node.title;
  for (const node of document.querySelectorAll("a, button, input, select, textarea, [tabindex], canvas[role], svg[role]")) {
    if (shown(node) && node.id !== "main" && !(name(node) || "").trim()) faults.push(`no name: ${node.outerHTML.slice(0, 90)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size < ids.length) faults.push("an id stands twice");
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")].filter(shown).map((node) => Number(node.tagName[1]));
  if (levels.some((level, i) => i > 0 && level > levels[i - 1] + 1)) faults.push("a level of headings is left out");
  if (document.querySelectorAll("main").length !== 1 || !document.documentElement.lang) faults.push("no main part or no language");
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`wider than the screen: ${document.documentElement.scrollWidth}`);

  const parts = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const light = (colour) => {
    const [red, green, blue] = parts(colour).map((x) => (x / 255 <= 0.04045 ? x / 255 / 12.92 : ((x / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !shown(node) || node.closest("script, noscript, :disabled, .skip")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(style[node.closest("svg") ? "fill" : "color"]), light(ground(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${texts.currentNode.data.trim().slice(0, 40)}`);
    const svg = node.closest("svg");
    const zoom = svg?.viewBox.baseVal?.width ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    if (parseFloat(style.fontSize) * zoom < 11 && !node.closest("math")) faults.push(`small text: ${texts.currentNode.data.trim().slice(0, 40)}`);
  }
  const said = document.getElementById("status")?.textContent;
  if (said) faults.push(`the page says: ${said}`);
  return [...new Set(faults)];
})()

// Pictures of units on canvases: levels in grey, weights in blue and red.

/** Height and width in which units are drawn: a square, or nearly one. */
export function shapeOf(units, width) {
  const columns = width || Math.ceil(Math.sqrt(units));
  return [Math.ceil(units / columns), columns];
}

/** The colour of a weight from -127 to 127: blue below zero, white at zero, red above. */
function ofWeight(value) {
  const share = Math.min(1, Math.abs(value) / 127);
  const end = value < 0 ? [33, 86, 164] : [170, 40, 46];
  return end.map((part) => Math.round(255 + (part - 255) * share));
}

/** The colour of a level from 0 to 255. */
function ofLevel(value) {
  return [value, value, value];
}

/** Paints tiles of units beside each other. `scale` is "weights" or "levels". */
export function paint(canvas, { scale, tiles }, { width, columns, zoom = 3 }) {
  if (tiles.length === 0) return;
  const [height, across] = shapeOf(tiles[0].length, width);
  const inRow = Math.min(columns, tiles.length);
  const rows = Math.ceil(tiles.length / inRow);
  canvas.width = inRow * (across + 1) - 1;
  canvas.height = rows * (height + 1) - 1;
  canvas.style.width = `${canvas.width * zoom}px`;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const colour = scale === "weights" ? ofWeight : ofLevel;
  tiles.forEach((tile, index) => {
    const left = (index % inRow) * (across + 1);
    const top = Math.floor(index / inRow) * (height + 1);
    tile.forEach((value, unit) => {
      const at = 4 * ((top + Math.floor(unit / across)) * canvas.width + left + (unit % across));
      const [red, green, blue] = colour(value);
      image.data.set([red, green, blue, 255], at);
    });
  });
  context.putImageData(image, 0, 0);
}

/** How often a unit is enlarged so that a tile of this many units is seen well. */
export function zoomFor(units, size = 48) {
  return Math.max(1, Math.min(40, Math.floor(size / Math.max(...shapeOf(units)))));
}

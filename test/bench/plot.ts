/** One measured point. */
export type Point = { readonly x: number; readonly y: number };

/** A line `y = at0 + slope * x`. */
export type Line = { readonly at0: number; readonly slope: number };

/** One measure over one quantity. With `fit` the points are dots on that line, without it they are a course over time. */
export type Panel = {
  readonly title: string;
  /** What stands below: "shards", "minutes". */
  readonly x: string;
  readonly points: readonly Point[];
  readonly fit?: Line;
};

const [width, height] = [360, 220];
const plot = { left: 60, right: 20, top: 36, bottom: 40 };
/** A grey and a blue that can be read on white and on black. */
const [ink, data] = ["#7d8590", "#2f81f7"];

/** Panels in two columns as an SVG without a background, for light and dark pages; `title` is for who cannot see it. */
export function plotSvg(title: string, panels: readonly Panel[]): string {
  const rows = Math.ceil(panels.length / 2);
  const drawn = panels.map((panel, index) => drawPanel(panel, [(index % 2) * width, Math.floor(index / 2) * height]));
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${2 * width} ${rows * height}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="12" fill="${ink}">`,
    `  <title id="title">${escaped(title)}</title>`,
    ...drawn.flat(),
    "</svg>",
  ].join("\n")}\n`;
}

function drawPanel({ title, x, points, fit }: Panel, [left, top]: readonly [number, number]): readonly string[] {
  const ends = { x: endOf(points.map((point) => point.x)), y: endOf(points.map((point) => point.y)) };
  const at = (point: Point): string => {
    const across = plot.left + (point.x / ends.x) * (width - plot.left - plot.right);
    const down = height - plot.bottom - (point.y / ends.y) * (height - plot.top - plot.bottom);
    return `${across.toFixed(1)},${down.toFixed(1)}`;
  };
  const [origin, corner] = [at({ x: 0, y: 0 }), at({ x: ends.x, y: ends.y })].map((text) => text.split(","));
  const [x0 = "", y0 = ""] = origin ?? [];
  const [x1 = "", y1 = ""] = corner ?? [];
  return [
    `  <g transform="translate(${left} ${top})">`,
    `    <text x="${plot.left}" y="20" font-weight="600">${escaped(title)}</text>`,
    `    <path d="M${x0} ${y1}V${y0}H${x1}" fill="none" stroke="${ink}"/>`,
    ...[0, 0.5, 1].flatMap((share) => [
      `    <text x="${plot.left - 6}" y="${Number(at({ x: 0, y: share * ends.y }).split(",")[1]) + 4}" text-anchor="end">${numberOf(share * ends.y)}</text>`,
      `    <text x="${at({ x: share * ends.x, y: 0 }).split(",")[0]}" y="${height - plot.bottom + 16}" text-anchor="middle">${numberOf(share * ends.x)}</text>`,
    ]),
    `    <text x="${(plot.left + width - plot.right) / 2}" y="${height - 6}" text-anchor="middle">${escaped(x)}</text>`,
    ...(fit === undefined ? [courseOf(points.map(at))] : fitOf(fit, { points, ends, at })),
    "  </g>",
  ];
}

function courseOf(places: readonly string[]): string {
  return `    <polyline points="${places.join(" ")}" fill="none" stroke="${data}" stroke-width="1.5"/>`;
}

type Drawing = {
  readonly points: readonly Point[];
  readonly ends: Point;
  readonly at: (point: Point) => string;
};

function fitOf({ at0, slope }: Line, { points, ends, at }: Drawing): readonly string[] {
  const from = { x: 0, y: Math.max(0, at0) };
  // It ends where the picture does.
  const x = slope > 0 ? Math.min(ends.x, (ends.y - at0) / slope) : ends.x;
  const to = { x, y: Math.max(0, at0 + slope * x) };
  return [
    `    <polyline points="${at(from)} ${at(to)}" fill="none" stroke="${ink}" stroke-dasharray="4 4"/>`,
    ...points.map((point) => {
      const [across, down] = at(point).split(",");
      return `    <circle cx="${across}" cy="${down}" r="4" fill="${data}"/>`;
    }),
  ];
}

/** 1, 2, 4 or 5 times a power of ten, and none of the values is larger. */
function endOf(values: readonly number[]): number {
  const most = Math.max(...values, Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(most));
  return ([1, 2, 4, 5, 10].find((step) => step * power >= most) ?? 10) * power;
}

function numberOf(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** The line of least squares through the points, and the share of their variance that it explains (R squared). */
export function fitLine(points: readonly Point[]): Line & { readonly explained: number } {
  const [middleX, middleY] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))];
  const sum = (of: (point: Point) => number): number => points.reduce((total, point) => total + of(point), 0);
  const slope = sum(({ x, y }) => (x - middleX) * (y - middleY)) / sum(({ x }) => (x - middleX) ** 2);
  const at0 = middleY - slope * middleX;
  const left = sum(({ x, y }) => (y - at0 - slope * x) ** 2);
  const all = sum(({ y }) => (y - middleY) ** 2);
  return { at0, slope, explained: all === 0 ? 1 : 1 - left / all };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const unitsMs: { readonly [unit: string]: number } = {
  ns: 1e-6,
  us: 1e-3,
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

const element = String.raw`(\d+(?:\.\d*)?|\.\d+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)`;
const whole = new RegExp(`^([-+]?)((?:${element})+)$`, "u");

/**
 * Milliseconds of a Go duration ("1h30m", "500ms", "-1.5h", "0"), undefined for other text.
 * Reads what Go's time.ParseDuration reads; the result may have a fraction ("1ns" is 1e-6).
 */
export function parseDurationMs(text: string): number | undefined {
  if (/^[-+]?0$/.test(text)) return 0;
  const match = whole.exec(text);
  if (match === null) return undefined;
  const [, sign, elements = ""] = match;
  const sum = [...elements.matchAll(new RegExp(element, "gu"))].reduce(
    (total, [, amount, unit]) => total + Number(amount) * (unitsMs[unit ?? ""] ?? Number.NaN),
    0,
  );
  return sign === "-" ? 0 - sum : sum;
}

/**
 * A duration as people write it: "1h30m", "10m", "1.5s", "500ms", "0s". Parts that are zero are left out, unlike
 * Go's Duration.String ("10m0s"). Rounded to whole milliseconds; `parseDurationMs` reads it back.
 */
export function formatDuration(durationMs: number): string {
  const rounded = Math.round(Math.abs(durationMs));
  if (rounded === 0) return "0s";
  const sign = durationMs < 0 ? "-" : "";
  if (rounded < 1_000) return `${sign}${rounded}ms`;
  const hours = Math.floor(rounded / 3_600_000);
  const minutes = Math.floor((rounded % 3_600_000) / 60_000);
  const seconds = (rounded % 60_000) / 1_000;
  const parts = [hours > 0 ? `${hours}h` : "", minutes > 0 ? `${minutes}m` : "", seconds > 0 ? `${seconds}s` : ""];
  return sign + parts.join("");
}

/** Suffixes of Kubernetes quantities and what they multiply by, in billionths. Source: apimachinery's resource.Quantity. */
const decimalSuffixes: readonly (readonly [suffix: string, nanos: bigint])[] = [
  ["E", 10n ** 27n],
  ["P", 10n ** 24n],
  ["T", 10n ** 21n],
  ["G", 10n ** 18n],
  ["M", 10n ** 15n],
  ["k", 10n ** 12n],
  ["", 10n ** 9n],
  ["m", 10n ** 6n],
  ["u", 10n ** 3n],
  ["n", 1n],
];
const binarySuffixes: readonly (readonly [suffix: string, nanos: bigint])[] = [
  ["Ei", 2n ** 60n * 10n ** 9n],
  ["Pi", 2n ** 50n * 10n ** 9n],
  ["Ti", 2n ** 40n * 10n ** 9n],
  ["Gi", 2n ** 30n * 10n ** 9n],
  ["Mi", 2n ** 20n * 10n ** 9n],
  ["Ki", 2n ** 10n * 10n ** 9n],
];
const multipliers = new Map([...decimalSuffixes, ...binarySuffixes]);
const pattern = /^([-+]?)(\d+\.?\d*|\.\d+)(?:([eE][-+]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/;

/**
 * A quantity in the form in which the API server's clients write it: "1000m" is "1", "1000" is "1k", "1024Mi" is "1Gi", "0.5" is "500m". Text
 * that is no quantity, and forms with an exponent, are returned as they are.
 */
export function canonicalQuantity(text: string): string {
  const match = pattern.exec(text);
  const [, sign = "", number = "", exponent, suffix = ""] = match ?? [];
  const multiplier = multipliers.get(suffix);
  if (match === null || exponent !== undefined || multiplier === undefined) return text;
  const nanos = scale(number, multiplier);
  if (nanos === 0n) return "0";
  const binary = suffix.endsWith("i") && nanos >= 1024n * 10n ** 9n;
  const written = binary
    ? (write(nanos, binarySuffixes) ?? write(nanos, decimalSuffixes))
    : write(nanos, decimalSuffixes);
  return `${sign === "-" ? "-" : ""}${written}`;
}

/** A quantity in billionths, the smallest unit of Kubernetes: "500m" is 500,000,000. Undefined for text that is no quantity. */
export function quantityNanos(text: string): bigint | undefined {
  const [, sign = "", number = "", exponent, suffix = ""] = pattern.exec(text) ?? [];
  const multiplier = exponent === undefined ? multipliers.get(suffix) : undefined;
  const power = Number(exponent?.slice(1) ?? 0);
  if (number === "" || power < -9 || power > 18) return undefined;
  const nanos = scale(number, multiplier ?? 10n ** BigInt(9 + power));
  return sign === "-" ? -nanos : nanos;
}

/** `number` times `multiplier`, rounded up to whole billionths. */
function scale(number: string, multiplier: bigint): bigint {
  const [whole = "", fraction = ""] = number.split(".");
  const divisor = 10n ** BigInt(fraction.length);
  const product = BigInt(whole + fraction || "0") * multiplier;
  return (product + divisor - 1n) / divisor;
}

/** The text with the largest suffix that leaves a whole number. */
function write(nanos: bigint, suffixes: typeof decimalSuffixes): string | undefined {
  const fitting = suffixes.find(([, unit]) => nanos % unit === 0n);
  return fitting === undefined ? undefined : `${nanos / fitting[1]}${fitting[0]}`;
}

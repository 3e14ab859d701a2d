/** The first delay, and the longest. */
export type BackoffLimits = { readonly baseMs: number; readonly maxMs: number };

/** A number in [0, 1), as from Math.random. */
export type Random = () => number;

/**
 * Delay before retry `attempt` (first is 1), in milliseconds: `baseMs` doubling up to `maxMs`.
 * Same curve as client-go's ItemExponentialFailureRateLimiter. Throws RangeError if `attempt` < 1.
 */
export function backoffMs(attempt: number, { baseMs, maxMs }: BackoffLimits): number {
  if (!(attempt >= 1)) throw new RangeError(`Cannot back off before attempt ${attempt}: attempts start at 1`);
  return Math.min(maxMs, baseMs * 2 ** (attempt - 1));
}

/** `ms` lengthened by up to `fraction` of itself, like apimachinery's wait.Jitter. */
export function withJitter(ms: number, fraction: number, random: Random): number {
  return ms + ms * fraction * random();
}

/** `ms` varied by up to `fraction` of itself in both directions, so that many instances do not ask at one moment. */
export function withSpread(ms: number, fraction: number, random: Random): number {
  return ms * (1 + fraction * (2 * random() - 1));
}

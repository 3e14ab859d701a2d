/** A part of what there is to play, from a variable such as CRASH_SHARD="1/8": every one whose number, counted from 1, has that remainder. */
export type Shard = { readonly index: number; readonly of: number };

export function shardOf(variable: string, byDefault: string): Shard {
  const text = process.env[variable] ?? byDefault;
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (index === undefined || of === undefined) throw new Error(`${variable} is not "1/8" or the like: ${text}`);
  return { index: Number(index), of: Number(of) };
}

/** For NODE_OPTIONS: the wall clock of the process is ahead by so much, SIGUSR2 steps it by an hour and back, and its other clocks are left alone. */
export function clockAhead(byMs: number): string {
  const text = `
    const RealDate = Date;
    let steppedMs = 0;
    process.on("SIGUSR2", () => { steppedMs = 3_600_000 - steppedMs; });
    globalThis.Date = class extends RealDate {
      constructor(...given) { super(...(given.length > 0 ? given : [Date.now()])); }
      static now() { return RealDate.now() + ${byMs} + steppedMs; }
    };`;
  return `--import=data:text/javascript,${encodeURIComponent(text)}`;
}

/** Runs `main`, whose signal Ctrl-C or SIGTERM aborts; the exit code is 130 then. */
export async function runInterruptible(main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interrupt.abort());
  try {
    await main(interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = 130;
  }
}

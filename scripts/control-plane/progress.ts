/** Shows long steps: a line that counts on a terminal, else a line at the start and the end of each and every 30 seconds. */
export type Progress = {
  note(line: string): void;
  /** Runs one long step; `title` names it ("2/4 build kube-apiserver"). */
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
};

type Terminal = { readonly isTTY?: boolean; write(text: string): unknown };

const heartbeatMs = 30_000;

/** Progress as plain lines, for logs and for callers with a display of their own. */
export function lineProgress(write: (line: string) => void): Progress {
  return {
    note: write,
    step: async (title, work) => {
      const elapsed = stopwatch();
      write(`${title} ...`);
      const timer = setInterval(() => write(`${title} ... ${elapsed()}`), heartbeatMs);
      try {
        const result = await work();
        write(`${title}: done in ${elapsed()}`);
        return result;
      } finally {
        clearInterval(timer);
      }
    },
  };
}

/** Progress for a person: one live line a step where `terminal` is one. */
export function terminalProgress(terminal: Terminal): Progress {
  const write = (line: string): void => void terminal.write(`${line}\n`);
  if (terminal.isTTY !== true) return lineProgress(write);
  return {
    note: write,
    step: async (title, work) => {
      const elapsed = stopwatch();
      const draw = (end: string): void => void terminal.write(`\r\u001b[2K${title} ${end}`);
      draw("...");
      const timer = setInterval(() => draw(elapsed()), 1000);
      try {
        const result = await work();
        draw(`done in ${elapsed()}\n`);
        return result;
      } catch (error) {
        draw(`failed after ${elapsed()}\n`);
        throw error;
      } finally {
        clearInterval(timer);
      }
    },
  };
}

function stopwatch(): () => string {
  const start = performance.now();
  return () => {
    const seconds = Math.round((performance.now() - start) / 1000);
    return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`;
  };
}

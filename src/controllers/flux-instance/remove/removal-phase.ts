/** What a removal does, one after the other; each is how users read of it. Every message about a removal begins with one of these. */
export const removalPhases = {
  suspend: "Suspending Flux's sync",
  stop: "Stopping Flux's controllers",
  release: "Removing Flux's finalizer from custom resources",
  definitions: "Deleting Flux's CRDs",
  rest: "Deleting the rest of Flux",
  gone: "Waiting until all of Flux is deleted",
} as const;

export type RemovalPhase = keyof typeof removalPhases;

/** Gets told how far a removal is. */
export type RemovalProgress = {
  /** How long deletions are waited for at a time. */
  readonly waitMs: number;
  begin(phase: RemovalPhase): Promise<void>;
  /** `message` says what is waited for; told again when that changes. */
  waiting(message: string): Promise<void>;
};

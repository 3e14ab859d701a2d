// Tests: src/controllers/flux-instance/conclude/removal-status.test.ts
/** The phases of a removal in their order, as users read them. Every message about a removal begins with one of these. */
export const removalPhases = {
  suspend: "Suspending Flux's sync",
  stop: "Stopping Flux's controllers",
  release: "Removing Flux's finalizer from custom resources",
  definitions: "Deleting Flux's CRDs",
  rest: "Deleting the rest of Flux",
  gone: "Waiting until all of Flux is deleted",
} as const;

/** The name of one phase. */
export type RemovalPhase = keyof typeof removalPhases;

/** What a removal reports its progress to. */
export type RemovalProgress = {
  /** How long one try waits for deletions. */
  readonly waitMs: number;
  begin(phase: RemovalPhase): Promise<void>;
  /** `message` says what is waited for; called again when that changes. */
  waiting(message: string): Promise<void>;
};

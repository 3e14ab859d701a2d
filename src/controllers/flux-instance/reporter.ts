import type { Change } from "../../apply/change-set.ts";
import type { InventoryEntry } from "../../apply/inventory.ts";
import type { EventNote } from "../../runtime/events.ts";
import type { Plan } from "./plan.ts";

/** Is told what an apply does, in the order of these methods. Status, events and the log are made from it (`conclude/conclude.ts`). */
export type Reporter = {
  /** What the preflight warns of; an empty list takes older warnings back. */
  warned(warnings: readonly string[]): void;
  /** What is to be done. Nothing has been written. */
  planned(plan: Plan): void;
  /** Called before the first write, with all that may exist from now on. */
  begun(inventory: readonly InventoryEntry[]): Promise<void>;
  /** What happens to objects that are not only ours. */
  announced(notes: readonly EventNote[]): void;
  /** What takes long, in words that change seldom. */
  progressed(message: string): Promise<void>;
  /** What objects are waited for, named with the reason; called again when it is something else. */
  waited(message: string): void;
  /** One object has been written or deleted. */
  changed(change: Change): void;
};

import type { Change } from "../../apply/change-set.ts";
import type { InventoryEntry } from "../../apply/inventory.ts";
import type { EventNote } from "../../runtime/events.ts";
import type { Plan } from "./plan.ts";

/** What `act` reports to while it works, in the order of these methods. Status, events and the log are made from it (`conclude/conclude.ts`). */
export type Reporter = {
  /** What the preflight warns of; an empty list clears older warnings. */
  warned(warnings: readonly string[]): void;
  /** What is to be done. Nothing has been written. */
  planned(plan: Plan): void;
  /** Called before the first write, with all that may exist from now on. */
  begun(inventory: readonly InventoryEntry[]): Promise<void>;
  /** What happens to objects that other field managers have managed too. */
  announced(notes: readonly EventNote[]): void;
  /** What takes long. The message goes into status, so it changes seldom. */
  progressed(message: string): Promise<void>;
  /** Which objects are waited for, and why; called again when these are other objects. */
  waited(message: string): void;
  /** One object has been written or deleted. */
  changed(change: Change): void;
};

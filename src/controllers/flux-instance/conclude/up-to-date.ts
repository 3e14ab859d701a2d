import { conditionTypes, reasons } from "../../../api/reasons.ts";
import type { Rendering } from "../../../render/rendering.ts";
import { formatTime } from "../../../std/clock.ts";
import type { Hold } from "../decision.ts";
import { type ConditionChange, unpinnedText } from "./status-parts.ts";

/** What else UpToDate has to say of a hold. */
type Circumstances = {
  readonly obstacle?: string;
  /** Why the API server would not take what waits. */
  readonly refusal?: string;
  /** What runs meanwhile. */
  readonly rendering?: Pick<Rendering, "unpinned">;
};

/** What UpToDate says meanwhile. The same until the next window opens. */
export function holdCondition(
  { gate, waiting, from }: Hold,
  { obstacle, refusal, rendering = {} }: Circumstances = {},
): ConditionChange {
  const to = waiting.rendering.version;
  const what = from === to ? `Flux ${to} in its new edition` : `The change of Flux from ${from} to ${to}`;
  const until =
    gate.kind === "paused"
      ? "waits until spec.upgrade.paused is removed"
      : `waits until ${formatTime(gate.opensMs)}, when the next window of spec.upgrade.windows opens`;
  const meanwhile = obstacle === undefined ? "" : `; until then nothing is changed: ${obstacle}`;
  const trouble = refusal === undefined ? "" : `; as things are it will fail: ${refusal}`;
  return {
    type: conditionTypes.upToDate,
    status: "False",
    reason: gate.kind === "paused" ? reasons.upgradePaused : reasons.outsideWindow,
    message: `${what} ${until}${meanwhile}${trouble}${unpinnedText(rendering)}`,
  };
}

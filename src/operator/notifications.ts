// Tests: test/integration/notifications.test.ts
import { hostname } from "node:os";
import { operatorName } from "../api/names.ts";
import type { EventRecorder } from "../runtime/events.ts";
import type { Informer } from "../runtime/informer.ts";
import type { Logger } from "../runtime/log.ts";
import type { Metrics } from "../runtime/metrics.ts";
import { createNotifier } from "../runtime/notifications.ts";
import { postJson } from "../runtime/post-json.ts";
import type { Random } from "../std/backoff.ts";
import type { Clock } from "../std/clock.ts";
import type { Config } from "./config.ts";
import { notificationAddress } from "./notification-address.ts";

type Parts = {
  readonly config: Pick<Config, "notifications">;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, "notified">;
  readonly clock: Clock;
  readonly random: Random;
};

/** The recorder, whose notes now go to notification-controller, too. */
export function withNotifications(
  recorder: EventRecorder,
  instances: Pick<Informer, "get">,
  { config, log, metrics, clock, random }: Parts,
): EventRecorder {
  const notifier = createNotifier({
    addressOf: ({ metadata: { namespace = "", name } }, note) =>
      notificationAddress(instances.get({ namespace, name }), note, config.notifications),
    component: operatorName,
    process: hostname(),
    post: postJson,
    observe: (result) => metrics.notified(result),
    log,
    clock,
    random,
  });
  return {
    record: (regarding, note) => {
      recorder.record(regarding, note);
      notifier.record(regarding, note);
    },
    run: async (signal) => void (await Promise.all([recorder.run(signal), notifier.run(signal)])),
  };
}

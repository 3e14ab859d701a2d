import type { Controller } from "./controller.ts";
import { statelessController } from "./families.ts";

/** helm-controller gets 10 minutes to finish Helm actions when it is stopped. */
export const helmController: Controller = {
  ...statelessController,
  name: "helm-controller",
  criticalPod: true,
  terminationGracePeriodSeconds: 600,
};

import type { Controller } from "./controller.ts";
import { statelessController } from "./families.ts";

/** kustomize-controller gets 1 minute to finish an apply when it is stopped. */
export const kustomizeController: Controller = {
  ...statelessController,
  name: "kustomize-controller",
  criticalPod: true,
  terminationGracePeriodSeconds: 60,
};

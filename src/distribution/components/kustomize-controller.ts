import type { Controller } from "./controller.ts";
import { statelessController } from "./families.ts";

export const kustomizeController: Controller = {
  ...statelessController,
  name: "kustomize-controller",
  criticalPod: true,
  terminationGracePeriodSeconds: 60,
};

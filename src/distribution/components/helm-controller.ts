import type { Controller } from "./controller.ts";
import { statelessController } from "./families.ts";

export const helmController: Controller = {
  ...statelessController,
  name: "helm-controller",
  criticalPod: true,
  terminationGracePeriodSeconds: 600,
};

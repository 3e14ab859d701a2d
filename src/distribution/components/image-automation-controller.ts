import type { Controller } from "./controller.ts";
import { statelessController } from "./families.ts";

/** image-automation-controller has all the common values. */
export const imageAutomationController: Controller = { ...statelessController, name: "image-automation-controller" };

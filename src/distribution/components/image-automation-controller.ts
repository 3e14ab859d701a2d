import type { Controller } from "./controller.ts";
import { statelessController } from "./families.ts";

export const imageAutomationController: Controller = { ...statelessController, name: "image-automation-controller" };

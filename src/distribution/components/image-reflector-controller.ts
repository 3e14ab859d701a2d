import type { Controller } from "./controller.ts";
import { statelessController } from "./families.ts";

/** image-reflector-controller has a database, in /data. */
export const imageReflectorController: Controller = {
  ...statelessController,
  name: "image-reflector-controller",
  mounts: [
    { name: "temp", mountPath: "/tmp" },
    { name: "data", mountPath: "/data" },
  ],
};

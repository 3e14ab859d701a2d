import type { Controller } from "./controller.ts";
import { artifactStorage } from "./families.ts";

export const sourceController: Controller = {
  ...artifactStorage("source-controller", { controlPlane: "controller" }),
  env: [{ name: "TUF_ROOT", value: "/tmp/.sigstore" }],
};

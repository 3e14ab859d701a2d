import type { Controller } from "./controller.ts";
import { artifactStorage } from "./families.ts";

/** source-controller stores artifacts and serves them; TUF_ROOT is where it keeps Sigstore's trusted root. */
export const sourceController: Controller = {
  ...artifactStorage("source-controller", { controlPlane: "controller" }),
  env: [{ name: "TUF_ROOT", value: "/tmp/.sigstore" }],
};

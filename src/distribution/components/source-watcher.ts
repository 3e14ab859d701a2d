import type { Controller } from "./controller.ts";
import { artifactStorage } from "./families.ts";

/** source-watcher makes artifacts and serves them. */
export const sourceWatcher: Controller = artifactStorage("source-watcher", { controlPlane: "source-watcher" });

import type { Controller } from "./controller.ts";
import { artifactStorage } from "./families.ts";

export const sourceWatcher: Controller = artifactStorage("source-watcher", { controlPlane: "source-watcher" });

import { join } from "node:path";

/**
 * Lets Node keep, for this process's children and theirs, what it makes of our .ts files: without types and compiled. Every test file,
 * operator and CLI under test is a process of its own, and loading all modules is half a second of the time of each.
 */
export function shareCompiledCode(): void {
  process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../node_modules/.cache/compiled");
}

/**
 * Preloaded into every test file that runs as a process of its own. It reports through a pipe and is ended by force when its last test has
 * (see Traps in AGENTS.md): what the pipe had no room for by then would be lost, tests that failed among it. A blocking pipe has always room.
 */
const handle: unknown = Reflect.get(process.stdout, "_handle");
if (typeof handle === "object" && handle !== null && "setBlocking" in handle) {
  if (typeof handle.setBlocking === "function") handle.setBlocking(true);
}

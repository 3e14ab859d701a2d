/** What `apply` is told that it installs, in tests of that room: it may not know `api`, where this stands. */
export { installer } from "../../src/api/installer.ts";

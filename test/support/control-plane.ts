/**
 * The door to a real cluster for tests: `await using plane = await startControlPlane({ variant: "full" })`, once per test file,
 * `await plane.reset()` between tests.
 */
export { startControlPlane } from "../../scripts/control-plane/control-plane.ts";
export {
  type ClusterUser,
  type ControlPlane,
  type ControlPlaneOptions,
} from "../../scripts/control-plane/control-plane.ts";
export { type Variant } from "../../scripts/control-plane/versions.ts";

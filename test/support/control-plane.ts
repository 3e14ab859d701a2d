/**
 * The door to a real cluster for tests: `await using plane = await startControlPlane({ variant: "full" })`, once per test file,
 * `await plane.reset()` between tests.
 */
export { startControlPlane } from "../../scripts/control-plane/control-plane.ts";
export type {
  ClusterUser,
  ControlPlane,
  ControlPlaneOptions,
  Variant,
} from "../../scripts/control-plane/control-plane.ts";

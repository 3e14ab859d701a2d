export { FluxInstance, type FluxInstanceArgs } from "./flux-instance.js";
export { FluxOperator, type FluxOperatorArgs } from "./flux-operator.js";
export type { FluxOperatorValues } from "./operator-values.js";
export type { Inputs } from "./inputs.js";

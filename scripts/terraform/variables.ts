import { dnsLabel, patternMeaning } from "../../src/api/schema/patterns.ts";
import type { JsonObject, JsonValue } from "../../src/std/json.ts";
import { assignments, block, literal, quoted, type Member } from "./hcl.ts";
import { snakeCase, specFields, specVariables } from "./spec-variables.ts";
import type { Variable } from "./variable.ts";

/** All inputs: those of the module itself, then the fields of the spec. */
export function moduleVariables(instanceDefaults: JsonObject): readonly Variable[] {
  return [...ownVariables, ...specVariables(instanceDefaults), specVariable];
}

const ownVariables: readonly Variable[] = [
  {
    name: "namespace",
    description: "Namespace of the operator, of the FluxInstance and of Flux.",
    type: ["string"],
    default: "flux-system",
    nullable: false,
    validations: [
      {
        condition: `can(regex(${quoted(dnsLabel)}, var.namespace))`,
        message: `namespace must be ${patternMeaning(dnsLabel)}.`,
      },
    ],
  },
  {
    name: "create_namespace",
    description: "Create the namespace where it is not there. It stays when all is destroyed.",
    type: ["bool"],
    default: true,
    nullable: false,
    validations: [],
  },
  {
    name: "charts",
    description:
      "Where the charts flux-operator and flux-instance are: a folder, or an oci:// address in front of their names. By default those that lie beside the module.",
    type: ["string"],
    default: null,
    nullable: true,
    validations: [],
  },
  {
    name: "chart_version",
    description: "Version of both charts at an oci:// address. Charts in a folder have one.",
    type: ["string"],
    default: null,
    nullable: true,
    validations: [],
  },
  {
    name: "operator_values",
    description: "Values of the chart flux-operator.",
    type: ["any"],
    default: {},
    nullable: false,
    validations: [{ condition: "can(keys(var.operator_values))", message: "operator_values must be a map." }],
  },
  {
    name: "instance_annotations",
    description: "Annotations of the FluxInstance, such as fluxcd.controlplane.io/reconcileEvery.",
    type: ["map(string)"],
    default: {},
    nullable: false,
    validations: [],
  },
  {
    name: "wait_until_ready",
    description: "End an apply that has written the FluxInstance when it is Ready, and fail when it cannot become so.",
    type: ["bool"],
    default: true,
    nullable: false,
    validations: [],
  },
  {
    name: "timeout",
    description: "How long the operator, and then the FluxInstance, may take to become ready, in seconds.",
    type: ["number"],
    default: 300,
    nullable: false,
    validations: [
      {
        condition: "var.timeout >= 1 && floor(var.timeout) == var.timeout",
        message: "timeout must be a whole number of seconds, 1 or more.",
      },
    ],
  },
  {
    name: "sync_credentials",
    description:
      "Entries of the Secret with which sync reads its source, such as username and password, or identity and known_hosts. For an OCIRepository, username and password become a login at its registry. They are stored in the state.",
    type: ["map(string)"],
    default: null,
    nullable: true,
    sensitive: true,
    validations: [
      {
        condition:
          'try(length(var.sync_credentials) > 0 && alltrue([for key in keys(var.sync_credentials) : can(regex("^[-._a-zA-Z0-9]+$", key))]), var.sync_credentials == null)',
        message: "sync_credentials must have entries, whose names have letters, digits, -, _ and . only.",
      },
    ],
  },
];

/** What is merged over the variables above it. */
const specVariable: Variable = {
  name: "instance_spec",
  description:
    "The spec of the FluxInstance with the names of the API, merged over the variables of its fields: a field that is a map is merged with that of the variable, another one replaces it, and null removes it.",
  type: ["any"],
  default: {},
  nullable: false,
  validations: [
    {
      condition: "can(keys(var.instance_spec))",
      message: "instance_spec must be a map.",
    },
    {
      condition: `length(setsubtract(keys(var.instance_spec), ${literal(Object.keys(specFields()))})) == 0`,
      message: {
        template: `instance_spec: a FluxInstance has no field \${join(", ", setsubtract(keys(var.instance_spec), ${literal(Object.keys(specFields()))}))}; docs/api.md lists those that it has.`,
      },
    },
    ...Object.entries(specFields())
      .filter(([, names]) => names.length > 0)
      .map(([field, names]) => ({
        condition: `length(setsubtract(try(keys(var.instance_spec.${field}), []), ${literal(names)})) == 0`,
        message: {
          template: `instance_spec: ${field} has no field \${join(", ", setsubtract(try(keys(var.instance_spec.${field}), []), ${literal(names)}))}; it has ${names.join(", ")}.`,
        },
      })),
  ],
};

/** variables.tf, formatted as `terraform fmt` does. */
export function variablesFile(variables: readonly Variable[]): string {
  return `${variables
    .map(variableBlock)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

function variableBlock(variable: Variable): readonly string[] {
  const members: readonly Member[] = [
    assigned("description", variable.description),
    { name: "type", value: variable.type },
    assigned("default", variable.default),
    ...(variable.nullable ? [] : [assigned("nullable", false)]),
    ...(variable.sensitive === true ? [assigned("sensitive", true)] : []),
  ];
  const validations = variable.validations.flatMap(({ condition, message }) => [
    "",
    ...block(
      "validation",
      assignments([
        { name: "condition", value: [condition] },
        { name: "error_message", value: [typeof message === "string" ? quoted(message) : templated(message.template)] },
      ]),
    ),
  ]);
  return block(`variable "${variable.name}"`, [...assignments(members), ...validations]);
}

const assigned = (name: string, value: JsonValue): Member => ({ name, value: [literal(value)] });

/** Names of the fields of the spec and of the variables that they come from. */
export function typedFields(): readonly Member[] {
  return Object.keys(specFields()).map((field) => ({ name: field, value: [`var.${snakeCase(field)}`] }));
}

function templated(text: string): string {
  return `"${text}"`;
}

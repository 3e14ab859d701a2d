import { Environment, type ParseResult } from "@marcbachmann/cel-js";
import { isJsonObject } from "../std/json.ts";
import { joinField } from "../std/json-pointer.ts";
import { isTransition, rules, type Rule } from "./rules.ts";

/** Something in a FluxInstance that cannot be used. `message` says what is wrong and what to do. */
export type Problem = { readonly field: string; readonly message: string };

type Node = { readonly field: string; readonly value: unknown };

/**
 * The rules that a FluxInstance breaks, except those that compare with the stored object. When the schema is broken, too (`tolerant`), rules
 * that cannot be evaluated are skipped, as the API server does.
 */
export function brokenRules(instance: unknown, { tolerant }: { readonly tolerant: boolean }): readonly Problem[] {
  return rules
    .filter((rule) => !isTransition(rule))
    .flatMap((rule) =>
      nodesAt(instance, rule.at)
        .filter(({ value }) => !holds(rule, value, tolerant))
        .map(({ field }) => ({
          field: rule.field === undefined ? field : joinField(field, rule.field),
          message: rule.message,
        })),
    );
}

/** Programs by rule; as many as there are rules, made when first needed because CEL is slow to parse. */
const compiled = new Map<string, ParseResult>();
let environment: Environment | undefined;

function programOf(rule: string): ParseResult {
  environment ??= new Environment().registerVariable("self", "dyn");
  const program = compiled.get(rule) ?? environment.parse(rule);
  compiled.set(rule, program);
  return program;
}

function holds({ rule }: Rule, self: unknown, tolerant: boolean): boolean {
  try {
    return programOf(rule)({ self }) === true;
  } catch {
    // As the API server has it: a value that a rule cannot be evaluated for breaks it.
    return tolerant;
  }
}

function nodesAt(root: unknown, at: string): readonly Node[] {
  const steps = at.split(/\.|(?=\[\])/).filter((step) => step !== "");
  return steps.reduce<readonly Node[]>(
    (nodes, step) => nodes.flatMap((node) => nodesBelow(node, step)),
    [{ field: "", value: root }],
  );
}

function nodesBelow({ field, value }: Node, step: string): readonly Node[] {
  if (step === "[]") {
    if (!Array.isArray(value)) return [];
    return value.map((item: unknown, index) => ({ field: `${field}[${index}]`, value: item }));
  }
  if (!isJsonObject(value) || value[step] === undefined) return [];
  return [{ field: joinField(field, step), value: value[step] }];
}

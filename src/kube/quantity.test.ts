import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalQuantity, quantityNanos } from "./quantity.ts";

for (const { name, text, want } of [
  { name: "leaves what is canonical", text: "100m", want: "100m" },
  { name: "makes whole cores of thousandths", text: "1000m", want: "1" },
  { name: "keeps thousandths that are no whole core", text: "1500m", want: "1500m" },
  { name: "takes fractions apart", text: "0.5", want: "500m" },
  { name: "uses the largest decimal suffix", text: "1000", want: "1k" },
  { name: "uses the largest binary suffix", text: "1024Mi", want: "1Gi" },
  { name: "keeps binary values that are not whole in the next suffix", text: "1536Mi", want: "1536Mi" },
  { name: "writes a binary fraction with a smaller suffix", text: "1.5Gi", want: "1536Mi" },
  { name: "writes a binary value below 1Ki without suffix", text: "0.5Ki", want: "512" },
  { name: "does not turn decimal into binary", text: "1G", want: "1G" },
  { name: "writes zero without suffix", text: "0Gi", want: "0" },
  { name: "keeps the sign", text: "-2000m", want: "-2" },
  { name: "leaves exponents as they are", text: "1e3", want: "1e3" },
  { name: "leaves other text as it is", text: "much", want: "much" },
]) {
  test(`canonicalQuantity() ${name}`, () => assert.equal(canonicalQuantity(text), want));
}

for (const { text, want } of [
  { text: "1", want: 1_000_000_000n },
  { text: "500m", want: 500_000_000n },
  { text: "0.5", want: 500_000_000n },
  { text: "-2", want: -2_000_000_000n },
  { text: "1Ki", want: 1_024_000_000_000n },
  { text: "3e2", want: 300_000_000_000n },
  { text: "3E-1", want: 300_000_000n },
  { text: "1e99", want: undefined },
  { text: "much", want: undefined },
  { text: "", want: undefined },
]) {
  test(`quantityNanos(${JSON.stringify(text)}) is ${want}`, () => assert.equal(quantityNanos(text), want));
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesSelector, parseSelector, SelectorError } from "./selector.ts";

const labels = { app: "flux", tier: "", "example.com/count": "7", in: "x" };

const cases: readonly { selector: string; want: boolean }[] = [
  { selector: "", want: true },
  { selector: " ", want: true },
  { selector: "app", want: true },
  { selector: "!app", want: false },
  { selector: "! none", want: true },
  { selector: "none", want: false },
  { selector: "app=flux", want: true },
  { selector: "app == flux", want: true },
  { selector: "app=helm", want: false },
  { selector: "app!=helm", want: true },
  { selector: "none!=helm", want: true },
  { selector: "none=", want: false },
  { selector: "tier=", want: true },
  { selector: "tier=,app=flux", want: true },
  { selector: "app in (helm, flux)", want: true },
  { selector: "app in(helm,flux)", want: true },
  { selector: "app in (helm)", want: false },
  { selector: "app notin (helm)", want: true },
  { selector: "none notin (helm)", want: true },
  { selector: "app notin (helm,flux)", want: false },
  { selector: "tier in ()", want: true },
  { selector: "tier in (a,)", want: true },
  { selector: "tier in (a,,b)", want: true },
  { selector: "app in ()", want: false },
  { selector: "in in (x)", want: true },
  { selector: "app in (in, flux)", want: true },
  { selector: "example.com/count>6", want: true },
  { selector: "example.com/count > 7", want: false },
  { selector: "example.com/count<8,app", want: true },
  { selector: "app<8", want: false },
  { selector: "app,!none,tier in (),example.com/count", want: true },
  { selector: "toString", want: false },
];

for (const { selector, want } of cases) {
  test(`matchesSelector() says ${want} to "${selector}"`, () =>
    assert.equal(matchesSelector(parseSelector(selector), labels), want));
}

const refused: readonly { selector: string; message: RegExp }[] = [
  { selector: "app in flux", message: /"flux" stands where "\(" must/ },
  { selector: "app in (flux", message: /the end stands where "," or "\)" must/ },
  { selector: "app in (a b)", message: /"b" stands where/ },
  { selector: "app,", message: /nothing stands after the last comma/ },
  { selector: ",app", message: /"," stands where a key must/ },
  { selector: "=a", message: /"=" stands where a key must/ },
  { selector: "app=a=b", message: /"=" stands where a comma/ },
  { selector: "!app=a", message: /"=" stands where a comma/ },
  { selector: "app ~ x", message: /"~" stands where one of = ==/ },
  { selector: "app=<", message: /"<" stands where a value must/ },
  { selector: "app>x", message: /"x" is no integer/ },
  { selector: "-app", message: /"-app" is no label key/ },
  { selector: "UP.com/app", message: /"UP.com\/app" is no label key/ },
  { selector: "/app", message: /"\/app" is no label key/ },
  { selector: `app=${"v".repeat(64)}`, message: /is no label value/ },
  { selector: "app=a/b", message: /"a\/b" is no label value/ },
];

for (const { selector, message } of refused) {
  test(`parseSelector() refuses "${selector.slice(0, 20)}"`, () =>
    assert.throws(
      () => parseSelector(selector),
      (thrown) => thrown instanceof SelectorError && message.test(thrown.message),
    ));
}

/**
 * Regular expressions that Go's RE2 and JavaScript (with the u flag) read alike. "OrEmpty" forms are for fields that the Go operator reads as
 * absent when they are "".
 */
const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const subdomain = `${label}(\\.${label})*`;
const labelName = "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?";

/** RFC 1123 label. */
export const dnsLabel = `^${label}$`;
/** RFC 1123 subdomain. */
export const dnsSubdomain = `^${subdomain}$`;
/** RFC 1123 subdomain, or "". */
export const dnsSubdomainOrEmpty = `^(${subdomain})?$`;
/** Key of a Kubernetes label, or "". */
export const labelKeyOrEmpty = `^((${subdomain}/)?${labelName})?$`;
/** Value of a Kubernetes label. */
export const labelValue = `^(${labelName})?$`;

/** Durations as Flux's own kinds take them. */
export const duration = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$";

/** resource.Quantity, without a sign. */
export const quantity = "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$";

/** RFC 6901, but not the whole document. */
export const jsonPointer = "^(/([^~/]|~[01])*)+$";

/** GUID of Azure. */
export const guid = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";
/** ARN of an IAM role, in any partition. */
export const awsRoleArn = "^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$";
/** E-mail address of a Google service account. */
export const gcpServiceAccount = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?@[-a-z0-9.:]+\\.gserviceaccount\\.com$";
/** URL of an HTTP or SOCKS5 proxy. */
export const proxyUrl = "^(https?|socks5h?)://[^\\s]+$";
/** The form of an IANA time zone; whether it exists is checked elsewhere (`upgrade-policy.ts`). */
export const timeZone = "^[A-Za-z][-A-Za-z0-9_+]*(/[-A-Za-z0-9_+]+)*$";

/** Five fields, as CronJob's schedule: minute, hour, day of month, month, day of week. */
export const cron = `^${[
  cronField("[0-5]?[0-9]"),
  cronField("([01]?[0-9]|2[0-3])"),
  cronField("(0?[1-9]|[12][0-9]|3[01])"),
  cronField(`(0?[1-9]|1[0-2]|${anyCase("jan feb mar apr may jun jul aug sep oct nov dec")})`),
  cronField(`([0-7]|${anyCase("sun mon tue wed thu fri sat")})`),
].join(" +")}$`;

function cronField(value: string): string {
  const item = `(\\*|${value}(-${value})?)(/[1-9][0-9]?)?`;
  return `${item}(,${item})*`;
}

function anyCase(words: string): string {
  return words.replaceAll(" ", "|").replaceAll(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);
}

const emptyOr = "^$|";

/** The pattern, widened to "" unless it takes that already. */
export function orEmptyPattern(pattern: string): string {
  return new RegExp(pattern, "u").test("") ? pattern : emptyOr + pattern;
}

/** What a pattern asks for, in words for messages; undefined where only the pattern can say it. */
export function patternMeaning(pattern: string): string | undefined {
  return patternMeanings[withoutEmpty(pattern)];
}

/** The pattern itself, for messages: that "" would do as well is nothing to tell. */
export function withoutEmpty(pattern: string): string {
  return pattern.startsWith(emptyOr) ? pattern.slice(emptyOr.length) : pattern;
}

const patternMeanings: { readonly [pattern: string]: string } = {
  [dnsLabel]: "a DNS label: lower-case letters, digits and -, a letter or digit at both ends",
  [dnsSubdomain]: "a DNS name: lower-case letters, digits, - and .",
  [dnsSubdomainOrEmpty]: "a DNS name: lower-case letters, digits, - and .",
  [labelKeyOrEmpty]: "a label key such as example.com/shard",
  [labelValue]: "a label value: letters, digits, -, _ and .",
  [duration]: "a duration such as 10m or 1h30m",
  [quantity]: "a quantity such as 10Gi",
  [jsonPointer]: "a JSON pointer such as /spec/replicas",
  [guid]: "a GUID such as 00000000-0000-0000-0000-000000000000",
  [awsRoleArn]: "the ARN of an IAM role such as arn:aws:iam::123456789012:role/flux",
  [gcpServiceAccount]: "an address such as name@project.iam.gserviceaccount.com",
  [proxyUrl]: "a URL such as http://proxy:3128",
  [timeZone]: "a time zone such as Europe/Berlin",
  [cron]: "a cron schedule of five fields such as 0 3 * * 1-5",
};

/**
 * Who publishes the operator in a catalogue. There is no publisher yet: who publishes it puts his own in here, and only here.
 */
export const publisher = {
  name: "The authors of Flux operator",
  email: "flux-operator@example.com",
  /** Of what this operator implements. */
  url: "https://github.com/controlplaneio-fluxcd/distribution/blob/main/rfcs/0001-flux-operator/README.md",
} as const;

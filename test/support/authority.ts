/** The door to certificates for tests of src/, which import nothing of scripts/ themselves. */
export { createAuthority, issueCertificate, type KeyPair } from "../../scripts/control-plane/certificates.ts";

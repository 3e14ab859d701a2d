/**
 * What was received of a body so far. A download that broke off continues from here with a Range request (RFC 9110, 14); the caller checks the
 * digest of the whole.
 */
export class Download {
  #chunks: Uint8Array[] = [];
  #lengthBytes = 0;

  /** How many bytes were received. */
  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** The header that asks for the rest; none when nothing was received yet. */
  get range(): { readonly range?: string } {
    return this.#lengthBytes === 0 ? {} : { range: `bytes=${this.#lengthBytes}-` };
  }

  /**
   * Whether an answer of `status` continues where this ends. Many servers do not support ranges and send everything again: then this starts
   * again. Content from another position is of no use.
   */
  accepts(status: number, contentRange: string | undefined): boolean {
    if (status !== 206) {
      this.restart();
      return true;
    }
    const start = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(contentRange ?? "")?.[1];
    return this.#lengthBytes > 0 && start !== undefined && Number(start) === this.#lengthBytes;
  }

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#lengthBytes += chunk.length;
  }

  restart(): void {
    this.#chunks = [];
    this.#lengthBytes = 0;
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#chunks, this.#lengthBytes);
  }
}

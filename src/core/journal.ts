/** Something outside this process that must not outlive the build. `kind` names who can remove it. */
export interface Resource {
  /** `path` (file or folder, removed by the engine) or `<driver>:<what>`, removed by the driver's reap. */
  readonly kind: string;
  /** For people and as identity: the path, the process marker, the cloud id. */
  readonly id: string;
  readonly data?: Readonly<Record<string, string>>;
}

/**
 * The build's ledger, written and fsynced before a thing is created, so that `kib-native gc` can finish what a killed
 * process left. Order: acquire → create → … → remove → release.
 */
export interface Journal {
  /** Resolves when the line is on disk. The returned function records the removal. */
  acquire(resource: Resource): Promise<() => Promise<void>>;
}

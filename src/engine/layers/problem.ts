/** Why a layer cannot be used. */
export interface Problem {
  /** `damaged`: its own files; `orphan`: what it stands on is gone, damaged or was made anew. */
  readonly kind: 'damaged' | 'orphan';
  /** File in the layer's folder, or what it stands on: `disk.qcow2`, `layer boot`, `base`. */
  readonly what: string;
  readonly wanted: string;
  readonly got: string;
}

/** `disk.qcow2: want 196608 bytes, got 4096 bytes`. */
export function problemText({ what, wanted, got }: Problem): string {
  return `${what}: want ${wanted}, got ${got}`;
}

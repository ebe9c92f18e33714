import { z } from 'zod';

const inputSchema = z.object({
  name: z.string(),
  /** Hex SHA-256. */
  digest: z.string(),
  /** For people; does not count in the key. */
  title: z.string().optional(),
  /** What it is, one item a line, secrets masked: for showing what differs. */
  lines: z.array(z.string()),
});

/** layer.json: all that is known of a layer besides its files. Times are milliseconds since the epoch, durations milliseconds. */
export const layerRecordSchema = z.object({
  v: z.literal(1),
  /** Hex SHA-256; the name of its folder. */
  key: z.string(),
  /** Random; tells this making of the layer from any other with the same key, whose disk would not be the same bytes. */
  id: z.string(),
  /** `boot`, `packages`, or a recipe. */
  name: z.string(),
  /** Plan name of the build that made it: `debian13-kube-v1.36.1`. */
  image: z.string(),
  createdMs: z.number(),
  /** The layer below; undefined for `boot`, which stands on the base. */
  parent: z.object({ key: z.string(), id: z.string() }).optional(),
  base: z.object({
    sha256: z.string(),
    /** As the disk of the boot layer names it: relative to the layer's folder when the base lies in the same cache, else absolute. */
    backing: z.string(),
  }),
  inputs: z.array(inputSchema),
  /** When the package repositories were last seen to be as the inputs say. */
  repositoriesSeenMs: z.number().optional(),
  /** What making it took: booting, or running its actions. */
  ms: z.number(),
  /** What booting took, here or in the layers below: what a saved memory spares. */
  bootMs: z.number(),
  files: z.array(z.object({ name: z.string(), bytes: z.number(), sha256: z.string() })),
  /** Absent when only the disk was kept. `fingerprint` as in MemoryAbility; `ms` is what saving it took. */
  memory: z.object({ fingerprint: z.string(), ms: z.number() }).optional(),
  /** `kib-native`, driver and hypervisor by version, for people. */
  tools: z.record(z.string(), z.string()),
});

export type LayerRecord = z.infer<typeof layerRecordSchema>;

import type { AnswerValue } from './wire.ts';

export type Tags = Record<string, string>;

/** Something that changes by itself: `next` is what it becomes at `at`, in milliseconds since the epoch. */
export interface Changing {
  state: string;
  next?: { readonly state: string; readonly at: number; readonly onSet?: (() => void) | undefined } | undefined;
}

export interface FakeInstance extends Changing {
  readonly id: string;
  readonly imageId: string;
  readonly type: string;
  readonly subnet: string;
  readonly groups: readonly string[];
  readonly userData: string;
  readonly clientToken: string;
  /** The root volume. */
  readonly volume: FakeVolume;
  /** The others. */
  readonly moreVolumes: readonly FakeVolume[];
  readonly productCodes: readonly string[];
  readonly rootDevice: string;
  readonly hasPublicIp: boolean;
  readonly spotRequest: string | undefined;
  readonly isPersistentSpot: boolean;
  readonly shutdownBehavior: string;
  readonly imdsTokens: string;
  readonly tags: Tags;
  readonly madeAt: number;
  address: string | undefined;
  reason: { code: string; message: string } | undefined;
}

export interface FakeVolume extends Changing {
  readonly id: string;
  readonly gib: number;
  readonly type: string;
  readonly encrypted: boolean;
  readonly kmsKeyId: string | undefined;
  readonly snapshotId: string | undefined;
  readonly zone: string;
  /** Of the snapshot it was made from. */
  readonly productCodes: readonly string[];
  attachedTo: string | undefined;
  device: string | undefined;
  readonly tags: Tags;
  readonly madeAt: number;
}

export interface FakeSnapshot extends Changing {
  readonly id: string;
  readonly gib: number;
  readonly encrypted: boolean;
  readonly kmsKeyId: string | undefined;
  /** Of the volume it was made from. */
  readonly productCodes: readonly string[];
  readonly tags: Tags;
  readonly madeAt: number;
  /** Number of blocks of EBS direct, with their digests. */
  readonly blocks: Map<number, Buffer>;
  readonly sharedWith: string[];
  description: string;
}

export interface FakeImage extends Changing {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly description: string;
  readonly architecture: string;
  readonly rootDevice: string;
  readonly snapshotId: string | undefined;
  readonly gib: number;
  readonly created: string;
  readonly bootMode: string | undefined;
  readonly tpm: string | undefined;
  readonly productCodes: readonly string[];
  readonly ena: boolean;
  /** What EC2 bills machines of it as; `RunInstances` for plain Linux. */
  readonly usage: string;
  readonly tags: Tags;
  readonly madeAt: number;
  imds: string | undefined;
  readonly permissions: Record<string, string>[];
  deprecateAt: string | undefined;
  protection: string;
  reason: string | undefined;
}

export interface FakeGroup {
  readonly id: string;
  readonly name: string;
  readonly vpc: string;
  readonly tags: Tags;
  readonly ingress: AnswerValue[];
  readonly madeAt: number;
}

export interface FakeSpotRequest {
  readonly id: string;
  readonly tags: Tags;
  readonly isPersistent: boolean;
  state: string;
  instance: string;
}

export interface FakeRegion {
  readonly name: string;
  readonly images: Map<string, FakeImage>;
  /** Ids of deregistered ones. */
  readonly goneImages: Set<string>;
  readonly snapshots: Map<string, FakeSnapshot>;
  readonly instances: Map<string, FakeInstance>;
  readonly volumes: Map<string, FakeVolume>;
  readonly groups: Map<string, FakeGroup>;
  readonly spotRequests: Map<string, FakeSpotRequest>;
  readonly parameters: Map<string, string>;
  /** What a client token was used for, with a digest of the call. */
  readonly tokens: Map<string, { readonly call: string; readonly id: string }>;
  publicBlock: 'unblocked' | 'block-new-sharing';
}

export function newRegion(name: string): FakeRegion {
  return {
    name,
    images: new Map(),
    goneImages: new Set(),
    snapshots: new Map(),
    instances: new Map(),
    volumes: new Map(),
    groups: new Map(),
    spotRequests: new Map(),
    parameters: new Map(),
    tokens: new Map(),
    publicBlock: 'unblocked',
  };
}

/** Lets everything in a region become what it is due to become. */
export function settle(region: FakeRegion, now: number): void {
  const things: Iterable<Changing>[] = [
    region.instances.values(),
    region.snapshots.values(),
    region.images.values(),
    region.volumes.values(),
  ];
  for (const kind of things) {
    for (const thing of kind) {
      while (thing.next !== undefined && thing.next.at <= now) {
        const { state, onSet } = thing.next;
        thing.state = state;
        thing.next = undefined;
        onSet?.();
      }
    }
  }
}

import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { publishAmi } from '../aws/ami.ts';
import { Ec2, type Place } from '../aws/api.ts';
import { EbsDirect } from '../aws/ebs.ts';
import type { AmiOptions } from '../aws/options.ts';
import { type Owned, own } from '../aws/owned.ts';
import { registerImage } from '../aws/register.ts';
import { tagsOf } from '../aws/tags.ts';
import { snapshotCompleted } from '../aws/wait.ts';
import {
  type Arch,
  type Context,
  isKibError,
  KibError,
  type RemoteImage,
  sha256,
  throwIfAborted,
  type Waiting,
} from '../core/index.ts';
import { withDisk } from '../io/nbd-disk.ts';
import { findSource, type PublishSource } from './source.ts';
import { gibibytes, PARALLEL, uploadBlocks } from './upload.ts';
import { type UploadIdentity, UploadState } from './upload-state.ts';

/** An AMI that is to be made of a disk of this host, without a machine at Amazon. */
export interface PublishAmiRequest {
  /** A disk image (raw, qcow2, VMDK), an OVA, or the folder of a build. */
  readonly source: string;
  readonly place: Place;
  readonly ami: AmiOptions;
  readonly tags: Readonly<Record<string, string>>;
  /** Default: what the build's folder says, else amd64. */
  readonly arch?: Arch | undefined;
  /** Name of the root device. Default: /dev/xvda. */
  readonly rootDevice?: string | undefined;
  /** Encrypt the snapshot, with this key if one is named. Default: what the account says. */
  readonly encryption?: { readonly kmsKeyArn?: string | undefined } | undefined;
  readonly pollMs?: number | undefined;
  /** Blocks in flight at most. */
  readonly parallel?: number | undefined;
}

const POLL_MS = 5000;
/** EBS ends a snapshot that no block came to for so long; a run that was cut off can go on until then. Minutes, 10 to 4320. */
const IDLE_MINUTES = 24 * 60;

/**
 * Sends a disk through the EBS direct API and registers it: zero blocks are left out, the others go many at a time with their digests. A run
 * that is cut off keeps the snapshot, and the next one of the same file goes on. The AMIs are kept when this returns. Throws KIB_EC2….
 */
export async function publishDisk(request: PublishAmiRequest, context: Context): Promise<readonly RemoteImage[]> {
  const { place, ami, tags } = request;
  const pollMs = request.pollMs ?? POLL_MS;
  const source = await findSource(request.source);
  const reach = { clock: context.clock, caFile: context.network?.caFile };
  const ec2 = await Ec2.open(place, reach);
  context.scope.defer('API', () => ec2[Symbol.dispose]());
  const arch = request.arch ?? source.arch ?? 'amd64';
  const bootMode = ami.bootMode ?? defaultBootMode(arch, source);
  requireFitting(arch, source, ami, bootMode);
  const what = { name: source.name, properties: source.properties };
  const published = await publishAmi({ ec2, options: ami, tags, pollMs, subject: what }, context, async (naming) => {
    const { snapshotId, owned } = await sendSnapshot(ec2, source, request, naming.waiting, context);
    const disk = { snapshotId, arch, rootDevice: request.rootDevice ?? '/dev/xvda', bootMode };
    const id = await registerImage(ec2, disk, naming, ami);
    naming.owned.known(id);
    // From here on it goes with the AMI.
    await owned.keep();
    return id;
  });
  await published.keep();
  return published.images;
}

/** Makes a completed snapshot. One that was cut off is taken out of scope and journal: a later run goes on with it. */
async function sendSnapshot(
  ec2: Ec2,
  source: PublishSource,
  request: PublishAmiRequest,
  waiting: Waiting,
  context: Context,
): Promise<{ readonly snapshotId: string; readonly owned: Owned }> {
  const parallel = request.parallel ?? PARALLEL;
  using ebs = await EbsDirect.open(request.place, ec2.reach, parallel);
  return await withDisk(source.disk, context, async ({ bytes, connection }) => {
    const volumeGiB = gibibytes(bytes);
    const identity = await identityOf(source, request, volumeGiB);
    const path = join(context.dirs.cache, 'publish', `${sha256(JSON.stringify(identity)).slice(0, 32)}.ndjson`);
    const { state, owned } = await openState(path, identity, { ec2, ebs, source, request, waiting }, context);
    await using _ = state;
    try {
      const sent = await context.span.run('export', `send ${source.name} to ${ec2.region}`, async (span) => {
        const sent = await uploadBlocks({ ebs, disk: connection, bytes, state, parallel }, { ...context, span });
        span.note(`${sent.blocks} of ${sent.blocks + sent.skipped} blocks; the others are zero`);
        return sent;
      });
      throwIfAborted(context.signal);
      await ebs.complete({
        SnapshotId: state.snapshotId,
        ChangedBlocksCount: sent.blocks,
        Checksum: sent.checksum,
        ChecksumAlgorithm: 'SHA256',
        ChecksumAggregationMethod: 'LINEAR',
      });
    } catch (error) {
      // What was sent waits for the next run; unless EBS found it wrong.
      if (isKibError(error) && error.code === 'KIB_EC2' && !error.retryable) await state.forget();
      else await owned.keep();
      throw error;
    }
    await state.forget();
    await snapshotCompleted(ec2, state.snapshotId, waiting, context);
    return { snapshotId: state.snapshotId, owned };
  });
}

interface Sending {
  readonly ec2: Ec2;
  readonly ebs: EbsDirect;
  readonly source: PublishSource;
  readonly request: PublishAmiRequest;
  readonly waiting: Waiting;
}

/** The upload that an earlier run began, or a new snapshot. */
async function openState(
  path: string,
  identity: UploadIdentity,
  { ec2, ebs, source, request, waiting }: Sending,
  context: Context,
): Promise<{ readonly state: UploadState; readonly owned: Owned }> {
  const about = { name: source.name, tags: { ...request.tags, ...request.ami.snapshotTags }, pollMs: waiting.pollMs };
  const earlier = await UploadState.resume(path, identity);
  if (earlier !== undefined) {
    const { Snapshots: [snapshot] = [] } = await ec2.call(
      'DescribeSnapshots',
      { Filters: [{ Name: 'snapshot-id', Values: [earlier.snapshotId] }], OwnerIds: ['self'] },
      context.signal,
    );
    if (snapshot?.State === 'pending') {
      context.span.note(`going on with snapshot ${earlier.snapshotId}`);
      const owned = await own('snapshot', ec2, { ...about, resource: earlier.resource }, context);
      owned.known(earlier.snapshotId);
      return { state: earlier, owned };
    }
    await earlier[Symbol.asyncDispose]();
  }
  const owned = await own('snapshot', ec2, about, context);
  throwIfAborted(context.signal);
  const { encryption } = request;
  const { SnapshotId = '' } = await ebs.start({
    VolumeSize: identity.volumeGiB,
    Description: `kib-native: ${source.name}`,
    ClientToken: owned.tagging.resource,
    Timeout: IDLE_MINUTES,
    ...(encryption === undefined ? {} : { Encrypted: true }),
    ...(encryption?.kmsKeyArn === undefined ? {} : { KmsKeyArn: encryption.kmsKeyArn }),
    Tags: tagsOf(owned.tagging),
  });
  owned.known(SnapshotId);
  return { state: await UploadState.begin(path, identity, SnapshotId, owned.tagging.resource), owned };
}

async function identityOf(
  { disk }: PublishSource,
  { place, encryption }: PublishAmiRequest,
  volumeGiB: number,
): Promise<UploadIdentity> {
  const path = resolve(disk.path);
  const { size, mtimeMs, ino } = await stat(path);
  return {
    region: place.region,
    endpoint: place.endpoint ?? '',
    source: `${path} ${size} ${mtimeMs} ${ino} ${disk.offset ?? 0}`,
    volumeGiB,
    encryption: encryption === undefined ? '' : `on ${encryption.kmsKeyArn ?? ''}`,
  };
}

/** Images of ours that boot with UEFI have no boot loader for BIOS, and the other way round; of others nobody knows. */
function defaultBootMode(arch: Arch, { firmware }: PublishSource): NonNullable<AmiOptions['bootMode']> {
  if (arch === 'arm64' || firmware === 'uefi') return 'uefi';
  return firmware === 'bios' ? 'legacy-bios' : 'uefi-preferred';
}

function requireFitting(arch: Arch, source: PublishSource, ami: AmiOptions, bootMode: string): void {
  if (source.arch !== undefined && source.arch !== arch) {
    throw new KibError('KIB_USAGE', `the image is for ${source.arch}, not ${arch}`);
  }
  if (arch === 'arm64' && bootMode !== 'uefi') throw new KibError('KIB_USAGE', `arm64 boots with UEFI only, not ${bootMode}`);
  if (ami.tpm && bootMode !== 'uefi') throw new KibError('KIB_USAGE', `a TPM needs boot mode uefi, not ${bootMode}`);
}

import type { Image } from '@aws-sdk/client-ec2';
import {
  type ArtifactSubject,
  type Context,
  KibError,
  type PublishedImages,
  type RemoteImage,
  type Waiting,
} from '../core/index.ts';
import { amiName, fillIn, type NameFacts } from './ami-name.ts';
import type { Ec2 } from './api.ts';
import type { AmiOptions } from './options.ts';
import { type Owned, own } from './owned.ts';
import { announce, requirePublishable } from './share.ts';
import { tagged } from './tags.ts';
import { imageAvailable, snapshotsOf } from './wait.ts';

/** An AMI to be made: what is common to every way of making one. */
export interface AmiRequest {
  /** Open while the AMIs may still be kept. */
  readonly ec2: Ec2;
  readonly options: AmiOptions;
  /** Tags of everything a build makes. */
  readonly tags: Readonly<Record<string, string>>;
  readonly pollMs: number;
  readonly subject: Pick<ArtifactSubject, 'name' | 'properties'>;
}

/** What the AMI is called, and how it is to be tagged. */
export interface Naming {
  readonly name: string;
  readonly description: string;
  readonly owned: Owned;
  readonly waiting: Waiting;
}

/** An AMI that is available, in one region. */
interface Made {
  readonly ec2: Ec2;
  readonly image: Image;
  readonly owned: Owned;
}

/**
 * Makes an AMI in the home region by `make`, which returns its id, then its copies elsewhere, at the same time. Nobody else may use any of
 * them before they are kept: sharing, deprecation and protection are the last that happens.
 */
export async function publishAmi(
  request: AmiRequest,
  context: Context,
  make: (naming: Naming) => Promise<string>,
): Promise<PublishedImages> {
  const { ec2, options, subject } = request;
  const facts = { ...subject, buildId: context.buildId, now: context.clock.now() };
  const name = amiName(options.name, facts);
  const description = descriptionOf(options, facts);
  const regions = await copyRegions(ec2, options, context);
  const others = await Promise.all(regions.map((region) => openRegion(ec2, region, context)));
  // Looked at everywhere before anything is made.
  for (const place of [ec2, ...others]) {
    await requireFree(place, name, context);
    await requirePublishable(place, options, context.signal);
  }
  const home = await makeHome(request, name, description, context, make);
  // The first failure ends the others; what they made goes with the scope.
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  const copying = others.map(async (place) => {
    try {
      return await copyTo(place, home, { request, name, description }, { ...context, signal });
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const settled = await Promise.allSettled(copying);
  const failed = settled.find((copy) => copy.status === 'rejected');
  if (failed !== undefined) throw stop.signal.reason ?? failed.reason;
  const all = [home, ...settled.flatMap((copy) => (copy.status === 'fulfilled' ? [copy.value] : []))];
  return {
    images: all.map((made) => remoteImage(made, options)),
    async keep() {
      for (const { ec2, image } of all) await announce(ec2, image, options, context.clock.now());
      for (const { owned } of all) await owned.keep();
    },
  };
}

async function makeHome(
  { ec2, options, tags, pollMs }: AmiRequest,
  name: string,
  description: string,
  context: Context,
  make: (naming: Naming) => Promise<string>,
): Promise<Made> {
  const owned = await own('image', ec2, { name, tags, pollMs }, context);
  const waiting = { timeoutMs: options.minutes * 60_000, pollMs };
  const id = await make({ name, description, owned, waiting });
  owned.known(id);
  const image = await imageAvailable(ec2, id, waiting, context);
  // Not an attribute that CreateImage takes; the copies inherit it.
  if (options.imdsV2 && image.ImdsSupport !== 'v2.0') {
    await ec2.call('ModifyImageAttribute', { ImageId: id, ImdsSupport: { Value: 'v2.0' } });
  }
  return { ec2, owned, image };
}

async function openRegion(ec2: Ec2, region: string, { scope }: Context): Promise<Ec2> {
  const other = await ec2.in(region);
  scope.defer(`API of ${region}`, () => other[Symbol.dispose]());
  return other;
}

async function copyTo(
  ec2: Ec2,
  home: Made,
  { request, name, description }: { readonly request: AmiRequest; readonly name: string; readonly description: string },
  context: Context,
): Promise<Made> {
  const { options, tags, pollMs } = request;
  return context.span.run('export', `copy to ${ec2.region}`, async (span) => {
    const owned = await own('image', ec2, { name, tags, pollMs }, context);
    const kmsKeyId = options.kmsKeyIds[ec2.region];
    const { ImageId = '' } = await ec2.call('CopyImage', {
      Name: name,
      Description: description,
      SourceImageId: home.image.ImageId,
      SourceRegion: home.ec2.region,
      ClientToken: owned.tagging.resource,
      ...(kmsKeyId === undefined ? {} : { Encrypted: true, KmsKeyId: kmsKeyId }),
      TagSpecifications: tagged(['image', 'snapshot'], owned.tagging, tagsPerType(options)),
    });
    owned.known(ImageId);
    const waiting = { timeoutMs: options.minutes * 60_000, pollMs };
    const image = await imageAvailable(ec2, ImageId, waiting, { ...context, span });
    return { ec2, owned, image };
  });
}

/** The user's tags of AMIs and of snapshots. */
export function tagsPerType({ tags, snapshotTags }: Pick<AmiOptions, 'tags' | 'snapshotTags'>) {
  return { image: tags, snapshot: snapshotTags };
}

function descriptionOf({ description }: AmiOptions, facts: NameFacts): string {
  const version = facts.properties['KUBERNETES_SEMVER'];
  const fallback = version === undefined ? facts.name : `${facts.name}, Kubernetes ${version}`;
  return description === undefined ? fallback : fillIn(description, facts).slice(0, 255);
}

/** Before anything is made: EC2 would say so only after minutes. Throws KIB_EC2_NAME_TAKEN. */
async function requireFree(ec2: Ec2, name: string, { signal }: Context): Promise<void> {
  const { Images: [taken] = [] } = await ec2.call(
    'DescribeImages',
    { Owners: ['self'], Filters: [{ Name: 'name', Values: [name] }], IncludeDeprecated: true },
    signal,
  );
  if (taken === undefined) return;
  throw new KibError('KIB_EC2_NAME_TAKEN', `${ec2.region} has an AMI called ${name} already: ${taken.ImageId}`, {
    hint: 'put {timestamp} into ami.name, or deregister the other one',
  });
}

async function copyRegions(ec2: Ec2, { regions }: AmiOptions, { signal }: Context): Promise<readonly string[]> {
  if (regions !== 'all') return [...new Set(regions)].filter((region) => region !== ec2.region);
  const { Regions = [] } = await ec2.call(
    'DescribeRegions',
    { Filters: [{ Name: 'opt-in-status', Values: ['opt-in-not-required', 'opted-in'] }] },
    signal,
  );
  return Regions.flatMap(({ RegionName }) => (RegionName === undefined || RegionName === ec2.region ? [] : [RegionName])).sort();
}

function remoteImage({ ec2, image }: Made, options: AmiOptions): RemoteImage {
  const kmsKey = options.kmsKeyIds[ec2.region];
  const { accounts, organizations, organizationalUnits } = options.shareWith;
  const shared = [...accounts, ...organizations, ...organizationalUnits];
  const given: Readonly<Record<string, string | undefined>> = {
    name: image.Name,
    snapshots: snapshotsOf(image).join(', '),
    rootDevice: image.RootDeviceName,
    bootMode: image.BootMode,
    kmsKey,
    sharedWith: options.public ? 'everybody' : shared.length > 0 ? shared.join(', ') : undefined,
  };
  const facts = Object.fromEntries(
    Object.entries(given).flatMap(([key, value]) => (value === undefined || value === '' ? [] : [[key, value]])),
  );
  return { format: 'ami', id: image.ImageId ?? '', location: ec2.region, facts };
}

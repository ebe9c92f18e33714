import type { Image } from '@aws-sdk/client-ec2';
import { publishAmi } from '../../src/aws/ami.ts';
import { Ec2 } from '../../src/aws/api.ts';
import {
  type Context,
  type Credentials,
  KibError,
  type RemoteImage,
  type RunningMachine,
  type SeedFiles,
  type Sh,
  throwIfAborted,
} from '../../src/core/index.ts';
import { baseFrom } from './base.ts';
import { COPIED, copyDisk } from './copy-disk.ts';
import { launch } from './launch.ts';
import { type Ec2Options, pollMs } from './options.ts';
import { reachOf } from './reach.ts';
import { registerVolume } from './register-volume.ts';
import { describeInstance, volumeOf } from './state.ts';
import { findStrippable } from './strip-source.ts';

export interface StripRequest {
  /** The AMI with a product code. */
  readonly ami: string;
  /** `ami` of it says what is made; boot mode, TPM and IMDS are those of the source. */
  readonly options: Ec2Options;
}

/** A helper that is logged in to. */
export interface Helper extends AsyncDisposable {
  /** Runs a script as root. Throws KIB_ACTION_FAILED, KIB_ACTION_TIMEOUT. */
  run(script: Sh, options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<{ readonly stdout: string }>;
}

/** What is no business of a driver's. */
export interface StripTools {
  /** A login for one boot, and the seed that brings it into the guest. */
  login(instanceId: string): { readonly credentials: Credentials; readonly seed: SeedFiles };
  /** Waits until the machine is up and logs in. */
  connect(machine: RunningMachine, credentials: Credentials, context: Context): Promise<Helper>;
  /** Takes login and identity of the helper away, as root. */
  readonly forget: readonly Sh[];
}

/** What EC2 calls the second volume. */
export const DEVICE = '/dev/sdf';
/** For each GiB, to copy and compare it: gp3 alone does 125 MiB/s. */
const GIB_MS = 60_000;
const LEAST_MS = 600_000;
const GRACE_MS = 60_000;

/**
 * Makes an AMI with the same disk and no product code: an instance of the AMI itself, which alone may have such a volume, copies its disk to an empty
 * volume, that has none, and the AMI is registered of a snapshot of this. The AMI is kept when this returns; all else is removed. Throws KIB_EC2….
 */
export async function stripProductCode(
  { ami, options: given }: StripRequest,
  tools: StripTools,
  context: Context,
): Promise<readonly RemoteImage[]> {
  const { span, scope, signal } = context;
  const ec2 = await Ec2.open(given, reachOf(context));
  scope.defer('API', () => ec2[Symbol.dispose]());
  const source = await findStrippable(ec2, ami, signal);
  const options = { ...given, ami: { ...given.ami, ...source.ami } };
  const login = tools.login(`kib-${context.buildId}`);
  const request = { name: 'strip-product-code', machine: source.machine, base: baseFrom(source.image), seed: login.seed };
  const machine = await span.run('boot', 'start a helper', (inner) =>
    launch(request, options, { ...context, span: inner }, { device: DEVICE, gib: source.gib }),
  );
  scope.use(`machine ${machine.id}`, machine);
  const volumeId = volumeOf(await describeInstance(ec2, machine.instanceId, signal), DEVICE);
  if (volumeId === undefined) throw new KibError('KIB_EC2', `${machine.id} has no volume ${DEVICE}`);
  await span.run('boot', 'log in', async (inner) => {
    const helper = await tools.connect(machine, login.credentials, { ...context, span: inner });
    scope.use('login to the helper', helper);
    inner.note(`copying ${source.gib} GiB`);
    const script = copyDisk({ volumeId, device: DEVICE, before: tools.forget });
    const { stdout } = await helper.run(script, { signal, timeoutMs: LEAST_MS + source.gib * GIB_MS });
    if (!stdout.includes(COPIED)) throw new KibError('KIB_ACTION_FAILED', `the disk of ${machine.id} was not copied to its end`);
  });
  throwIfAborted(signal);
  scope.use('stopped helper', await machine.shutdown({ graceMs: GRACE_MS, signal }));
  const subject = { name: nameOf(source.image), properties: {} };
  const making = { ec2, options: options.ami, tags: options.tags, pollMs: pollMs(options), subject };
  const disk = { arch: source.machine.arch, rootDevice: source.rootDevice, bootMode: options.ami.bootMode, ena: source.ena };
  const published = await publishAmi(making, context, (naming) => registerVolume(ec2, volumeId, disk, naming, options, context));
  await requireStripped(ec2, published.images, signal);
  await published.keep();
  return published.images;
}

/** Of the source, as far as the words of names go. */
function nameOf({ Name, ImageId = '' }: Image): string {
  return (Name ?? ImageId).replaceAll(/[{}]/g, '-').slice(0, 100);
}

/** EC2 passes codes on by rules of its own, so its word counts. Throws KIB_EC2_IMAGE. */
async function requireStripped(ec2: Ec2, images: readonly RemoteImage[], signal: AbortSignal): Promise<void> {
  const [home] = images;
  if (home === undefined) return;
  const { Images: [made] = [] } = await ec2.call('DescribeImages', { ImageIds: [home.id] }, signal);
  const codes = (made?.ProductCodes ?? []).map(({ ProductCodeId }) => ProductCodeId);
  if (made !== undefined && codes.length === 0) return;
  throw new KibError('KIB_EC2_IMAGE', `AMI ${home.id} has the product code ${codes.join(', ')} all the same`);
}

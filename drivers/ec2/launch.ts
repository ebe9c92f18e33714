import { Ec2 } from '../../src/aws/api.ts';
import { type Owned, own } from '../../src/aws/owned.ts';
import { waitFor } from '../../src/aws/wait.ts';
import { type Context, isKibError, KibError, type LaunchRequest, Scope, throwIfAborted } from '../../src/core/index.ts';
import { claimLogs } from '../../src/io/console-file.ts';
import { describeBase } from './base.ts';
import { openBastion } from './bastion.ts';
import { ConsoleLog } from './console.ts';
import { type BlankVolume, encodeUserData, runInstances, volumeGiB } from './instance.ts';
import { Ec2Machine } from './machine.ts';
import { findNetwork, securityGroups } from './network.ts';
import { type Ec2Options, pollMs, spotOf } from './options.ts';
import { reachOf } from './reach.ts';
import { describeInstance, ended } from './state.ts';

/** Starts an instance of the base, with a second volume if one is given. See Driver.launch for the contract. */
export async function launch(
  request: LaunchRequest,
  options: Ec2Options,
  context: Context,
  blank?: BlankVolume,
): Promise<Ec2Machine> {
  throwIfAborted(context.signal);
  const parts = new Scope();
  const abandon = context.scope.defer('EC2 machine', () => parts[Symbol.asyncDispose]());
  try {
    return await start({ request, options, blank }, parts, abandon, { ...context, scope: parts });
  } catch (error) {
    abandon();
    try {
      await parts[Symbol.asyncDispose]();
    } catch (leak) {
      if (isKibError(error)) error.suppressed.push(leak);
    }
    throw error;
  }
}

interface Wanted {
  readonly request: LaunchRequest;
  readonly options: Ec2Options;
  readonly blank: BlankVolume | undefined;
}

/** The context's scope is the machine's. */
async function start(wanted: Wanted, parts: Scope, abandon: () => void, context: Context): Promise<Ec2Machine> {
  const { request, options } = wanted;
  const { signal, clock, dirs } = context;
  const ec2 = await Ec2.open(options, reachOf(context));
  parts.defer('API', () => ec2[Symbol.dispose]());
  const base = await describeBase(ec2, request, signal);
  const userData = encodeUserData(request.seed);
  const network = await findNetwork(ec2, options, signal);
  const bastion = await openBastion(options, parts, clock);
  const groups = await securityGroups(ec2, network, options, context);
  const run = { ...wanted, ec2, base, userData, groups, subnets: network.subnets };
  const { id, owned } = await runSomewhere(run, context);
  const waiting = { timeoutMs: options.launchMinutes * 60_000, pollMs: pollMs(options) };
  const instance = await waitFor(`instance ${id}`, waiting, context, async (inner) => {
    const found = await describeInstance(ec2, id, inner);
    const state = found?.State?.Name;
    if (found !== undefined && state !== 'pending' && state !== 'running') throw ended(found);
    return state === 'running' ? found : undefined;
  });
  context.span.note(`${id}, ${instance.InstanceType} in ${instance.Placement?.AvailabilityZone ?? ec2.region}`);
  const logs = await claimLogs(dirs.logs);
  const console = new ConsoleLog({ ec2, id, path: logs('console'), pollMs: pollMs(options), clock });
  parts.use('console', console);
  throwIfAborted(signal);
  return new Ec2Machine({
    ec2,
    id,
    owned,
    options,
    parts,
    abandon,
    bastion,
    console,
    // Of whole GiB, as the volume is.
    virtualBytes: volumeGiB(request.machine) * 1024 ** 3,
    context,
  });
}

interface Run extends Wanted {
  readonly ec2: Ec2;
  readonly base: Awaited<ReturnType<typeof describeBase>>;
  readonly userData: string;
  readonly groups: readonly string[];
  readonly subnets: readonly string[];
}

/** Starts an instance in the first subnet that has room, as spot instance first if wanted. Throws the last reason there was none. */
async function runSomewhere(run: Run, context: Context): Promise<{ readonly id: string; readonly owned: Owned }> {
  const { ec2, options, request } = run;
  const spot = spotOf(options);
  const markets = spot === undefined ? [false] : spot.fallback ? [true, false] : [true];
  const owned = await own('instance', ec2, { name: `kib ${request.name}`, tags: options.tags, pollMs: pollMs(options) }, context);
  let lack: unknown;
  let attempt = 0;
  for (const isSpot of markets) {
    for (const subnetId of run.subnets) {
      throwIfAborted(context.signal);
      try {
        const id = await runIn(run, { subnetId, isSpot, owned, attempt: ++attempt });
        owned.known(id);
        throwIfAborted(context.signal);
        return { id, owned };
      } catch (error) {
        if (!isLackOf(error, isSpot)) throw error;
        lack = error;
        context.span.warn('KIB_EC2_CAPACITY', `no ${isSpot ? 'spot ' : ''}instance in ${subnetId}: ${(error as Error).message}`);
      }
    }
  }
  throw lack;
}

async function runIn(
  { ec2, request, options, base, userData, groups, blank }: Run,
  at: { readonly subnetId: string; readonly isSpot: boolean; readonly owned: Owned; readonly attempt: number },
): Promise<string> {
  const { tagging } = at.owned;
  const input = runInstances(request.machine, options, {
    imageId: base.ImageId ?? '',
    rootDevice: base.RootDeviceName ?? '',
    subnetId: at.subnetId,
    securityGroups: groups,
    userData,
    tagging,
    clientToken: `${tagging.resource}-${at.attempt}`,
    isSpot: at.isSpot,
    blank,
  });
  const { Instances: [instance] = [] } = await ec2.call('RunInstances', input);
  if (instance?.InstanceId !== undefined) return instance.InstanceId;
  throw new KibError('KIB_EC2', `ec2:RunInstances gave no instance in ${ec2.region}`);
}

/** Whether another subnet or an on-demand instance may do; a full spot quota says nothing about on-demand ones. */
function isLackOf(error: unknown, isSpot: boolean): boolean {
  if (!isKibError(error)) return false;
  return error.code === 'KIB_EC2_CAPACITY' || (isSpot && error.code === 'KIB_EC2_QUOTA');
}

import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { rootCertificates } from 'node:tls';
import type * as sdk from '@aws-sdk/client-ec2';
import { type Clock, systemCode, throwIfAborted } from '../core/index.ts';
import type { Ec2Action, Ec2Input, Ec2Output } from './actions.ts';
import { awsError, sdkMissing } from './errors.ts';

/** A region of EC2, and where its API answers if not at Amazon's address. */
export interface Place {
  readonly region: string;
  /** For EC2, EBS and SSM alike; `{region}` in it stands for the region. */
  readonly endpoint?: string | undefined;
}

/** What of the host matters for reaching an API. */
export interface Reach {
  readonly clock: Clock;
  /** PEM file with certificate authorities besides the usual ones. */
  readonly caFile?: string | undefined;
}

/** Throttled calls are tried again by the SDK, more slowly the more there are (retry mode `adaptive`). */
const ATTEMPTS = 8;
const CONNECT_MS = 10_000;
const ANSWER_MS = 60_000;

type Sdk = typeof sdk;
type Sender = { send(command: object, options: { abortSignal?: AbortSignal }): Promise<unknown>; destroy(): void };

/** The API of EC2 in one region. The credentials are whatever the SDK's default chain finds. Dispose it. */
export class Ec2 implements Disposable {
  readonly place: Place;
  readonly reach: Reach;
  readonly #sdk: Sdk;
  readonly #client: InstanceType<Sdk['EC2Client']>;

  private constructor(sdk: Sdk, client: InstanceType<Sdk['EC2Client']>, place: Place, reach: Reach) {
    this.#sdk = sdk;
    this.#client = client;
    this.place = place;
    this.reach = reach;
  }

  /** Loads the SDK; asks nobody anything yet. Throws KIB_EC2_SDK. */
  static async open(place: Place, reach: Reach): Promise<Ec2> {
    const sdk = await loadSdk(() => import('@aws-sdk/client-ec2'), '@aws-sdk/client-ec2');
    return new Ec2(sdk, new sdk.EC2Client(await clientSettings(place, reach)), place, reach);
  }

  get region(): string {
    return this.place.region;
  }

  /** The same in another region. Dispose that one, too. */
  async in(region: string): Promise<Ec2> {
    return Ec2.open({ ...this.place, region }, this.reach);
  }

  /**
   * Makes one call. What changes something is called without a signal and never cut short: who knows how far it came. Throws KIB_EC2…, which
   * names the action.
   */
  async call<A extends Ec2Action>(action: A, input: Ec2Input<A>, signal?: AbortSignal): Promise<Ec2Output<A>> {
    throwIfAborted(signal);
    const commands = this.#sdk as unknown as Readonly<Record<string, new (input: object) => object>>;
    const Command = commands[`${action}Command`];
    if (Command === undefined) throw new Error(`the SDK has no ${action}`);
    const client = this.#client as unknown as Sender;
    return send(client, new Command(input), { service: 'ec2', action, region: this.region }, signal) as Promise<Ec2Output<A>>;
  }

  /** Where the credentials come from is the SDK's business; throws KIB_EC2_CREDENTIALS when there are none. */
  async credentials(): Promise<{ readonly accessKeyId: string }> {
    try {
      return await this.#client.config.credentials();
    } catch (error) {
      throw awsError(error, { service: 'ec2', action: 'any call', region: this.region });
    }
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }
}

/** The value of an SSM parameter. Throws KIB_EC2_SDK, KIB_EC2…; KIB_BASE_MISSING when there is none of that name. */
export async function readParameter(place: Place, name: string, reach: Reach, signal: AbortSignal): Promise<string> {
  const sdk = await loadSdk(() => import('@aws-sdk/client-ssm'), '@aws-sdk/client-ssm');
  const client = new sdk.SSMClient(await clientSettings(place, reach));
  try {
    const call = { service: 'ssm', action: 'GetParameter', region: place.region };
    const answer = (await send(client, new sdk.GetParameterCommand({ Name: name }), call, signal)) as {
      readonly Parameter?: { readonly Value?: string };
    };
    return answer.Parameter?.Value ?? '';
  } finally {
    client.destroy();
  }
}

/** Makes one call of any service, its errors named. */
export async function send(
  client: Sender,
  command: object,
  call: { readonly service: string; readonly action: string; readonly region: string },
  signal?: AbortSignal,
): Promise<unknown> {
  throwIfAborted(signal);
  try {
    const answer = await client.send(command, signal === undefined ? {} : { abortSignal: signal });
    throwIfAborted(signal);
    return answer;
  } catch (error) {
    throwIfAborted(signal);
    throw awsError(error, call);
  }
}

/** Settings that every client of ours is made with. */
export async function clientSettings({ region, endpoint }: Place, { caFile }: Reach, sockets = 50) {
  const ca = caFile === undefined ? undefined : [...rootCertificates, await readFile(caFile, 'utf8')];
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint: endpoint.replaceAll('{region}', region) }),
    retryMode: 'adaptive',
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
      httpsAgent: new Agent({ keepAlive: true, maxSockets: sockets, ...(ca === undefined ? {} : { ca }) }),
    },
  };
}

/** Loads an SDK package, which is not installed with this one. Throws KIB_EC2_SDK. */
export async function loadSdk<T>(load: () => Promise<T>, name: string): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (systemCode(error) === 'ERR_MODULE_NOT_FOUND') throw sdkMissing(name, error);
    throw error;
  }
}

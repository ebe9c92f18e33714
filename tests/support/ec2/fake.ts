import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerEbs } from './ebs.ts';
import { FakeError } from './fake-error.ts';
import { HANDLERS } from './handlers.ts';
import { type FakeImage, type FakeInstance, type FakeRegion, type FakeSpotRequest, newRegion, settle } from './state.ts';
import { type Params, parseQuery, text, xmlError, xmlOf } from './wire.ts';

export const ACCOUNT = '111122223333';
export const ACCESS_KEY = 'AKIAFAKEFAKEFAKEFAKE';

/** What a call is to fail with, so many times. */
export interface Fault {
  readonly action: string;
  readonly code: string;
  readonly message?: string;
  readonly status?: number;
  readonly region?: string;
  times: number;
}

export function fault(action: string, code: string, times = 1, more: Partial<Fault> = {}): Fault {
  return { action, code, times, ...more };
}

/** What really runs behind an instance. */
export interface Hypervisor {
  /** Powers it on; resolves with its address. `onOff` is called when the guest powers itself off. */
  start(instance: FakeInstance, image: FakeImage, onOff: () => void): Promise<string>;
  /** Presses the power button and waits until it is off. */
  stop(instance: FakeInstance): Promise<void>;
  /** Pulls the plug and removes its disk. */
  remove(instance: FakeInstance): Promise<void>;
  /** Copies one of its disks for a snapshot. */
  snapshot(instance: FakeInstance, volumeId: string, snapshotId: string): Promise<void>;
  console(instance: FakeInstance): Promise<Buffer>;
  /** Takes a block of a snapshot that is written by EBS direct. */
  write(snapshotId: string, gib: number, index: number, data: Buffer): Promise<void>;
  /** All blocks of it have come. */
  complete(snapshotId: string): Promise<void>;
}

export interface FakeOptions {
  /** How long what is not immediate takes. Default: 30 ms. */
  readonly settleMs?: number;
  /** How long what was made is not found yet. Default: 15 ms. */
  readonly lagMs?: number;
  readonly hypervisor?: Hypervisor;
  readonly regions?: readonly string[];
}

/** One call as it went over the wire. */
export interface Recorded {
  readonly action: string;
  readonly region: string;
  readonly params: Params;
  readonly query: string;
  readonly status: number;
  readonly answer: string;
}

/** An account of Amazon's in this process: EC2's query protocol, EBS direct and SSM parameters, stricter than moto. */
export class FakeAws implements AsyncDisposable {
  readonly regions = new Map<string, FakeRegion>();
  readonly calls: Recorded[] = [];
  readonly faults: Fault[] = [];
  readonly denied = new Set<string>();
  /** Subnets without capacity, and `spot` for no spot capacity. */
  readonly full = new Set<string>();
  /** Called before each call is worked on. */
  onCall: (action: string, region: string) => unknown = () => {};
  /** Reason for which the next images of a region fail. */
  readonly failingImages = new Map<string, string>();
  /** Address of instances that nothing stands behind. */
  address = '127.0.0.1';
  /** Instances do not stop when asked to. */
  isDeaf = false;
  readonly settleMs: number;
  readonly lagMs: number;
  readonly hypervisor: Hypervisor | undefined;
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #count = 0;

  private constructor(options: FakeOptions) {
    this.settleMs = options.settleMs ?? 30;
    this.lagMs = options.lagMs ?? 15;
    this.hypervisor = options.hypervisor;
    for (const name of options.regions ?? ['eu-central-1', 'us-east-1', 'us-west-2']) this.regions.set(name, newRegion(name));
  }

  static async start(options: FakeOptions = {}): Promise<FakeAws> {
    const fake = new FakeAws(options);
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve));
    return fake;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  region(name = 'eu-central-1'): FakeRegion {
    const region = this.regions.get(name);
    if (region === undefined) throw new Error(`there is no region ${name}`);
    return region;
  }

  spotRequestOf({ spotRequest = '' }: FakeInstance): FakeSpotRequest | undefined {
    return [...this.regions.values()]
      .map(({ spotRequests }) => spotRequests.get(spotRequest))
      .find((found) => found !== undefined);
  }

  now(): number {
    return Date.now();
  }

  /** Whether what was made then is found now. */
  isVisible({ madeAt }: { readonly madeAt: number }): boolean {
    return this.now() - madeAt >= this.lagMs;
  }

  id(prefix: string): string {
    return `${prefix}-${(++this.#count).toString(16).padStart(17, '0')}`;
  }

  /** Puts a base there that anybody may use. Returns its id. */
  addImage(given: Partial<FakeImage> & { readonly name: string }, region = 'eu-central-1'): string {
    const id = this.id('ami');
    const snapshotId = this.id('snap');
    this.region(region).images.set(id, {
      id,
      owner: '136693071363',
      description: '',
      architecture: 'x86_64',
      rootDevice: '/dev/xvda',
      snapshotId,
      gib: 8,
      created: '2026-01-01T00:00:00.000Z',
      bootMode: 'uefi-preferred',
      tpm: undefined,
      productCodes: [],
      ena: true,
      usage: 'RunInstances',
      tags: {},
      madeAt: 0,
      imds: undefined,
      permissions: [{ group: 'all' }],
      deprecateAt: undefined,
      protection: 'disabled',
      reason: undefined,
      state: 'available',
      ...given,
    });
    return id;
  }

  /** Everything of ours that is there, by kind and id; terminated instances do not count. */
  leftovers(): readonly string[] {
    return [...this.regions.values()].flatMap((region) => {
      settle(region, this.now());
      return [
        ...[...region.instances.values()].filter(({ state }) => state !== 'terminated').map(({ id }) => id),
        ...[...region.volumes.values()].filter(({ state }) => state !== 'deleted').map(({ id }) => id),
        ...[...region.images.values()].filter(({ owner }) => owner === ACCOUNT).map(({ id }) => id),
        ...region.snapshots.keys(),
        ...region.groups.keys(),
        ...[...region.spotRequests.values()]
          .filter(({ state }) => state === 'active' || state === 'disabled')
          .map(({ id }) => id),
      ].map((id) => `${region.name} ${id}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const region of this.regions.values()) {
      for (const instance of region.instances.values()) await this.hypervisor?.remove(instance);
    }
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const requestId = `req-${this.calls.length + 1}`;
    // Credential=AKIA…/20260101/eu-central-1/ec2/aws4_request
    const [, key, region = '', service = ''] =
      /Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/.exec(request.headers.authorization ?? '') ?? [];
    const reply = (status: number, type: string, answer: string, headers: Record<string, string> = {}): void => {
      response.writeHead(status, { 'content-type': type, 'x-amzn-requestid': requestId, ...headers });
      response.end(answer);
    };
    if (service === 'ebs') return answerEbs(this, { request, body, region, key }, reply);
    if (service === 'ssm') return this.#answerSsm(body, region, reply);
    const query = body.toString();
    const params = parseQuery(query);
    const action = text(params, 'Action') ?? '';
    let [status, answer] = [200, ''];
    try {
      answer = xmlOf(action, await this.#call(action, params, region, key), requestId);
    } catch (error) {
      const known = error instanceof FakeError ? error : new FakeError('InternalError', String((error as Error).stack), 500);
      status = known.status;
      answer = xmlError(known.code, known.message, requestId);
    }
    this.calls.push({ action, region, params, query, status, answer });
    reply(status, 'text/xml;charset=UTF-8', answer);
  }

  /** Looks at key, faults and permissions before a call of whatever service. */
  async admit(action: string, regionName: string, key: string | undefined): Promise<FakeRegion> {
    await this.onCall(action, regionName);
    if (key === undefined) throw new FakeError('MissingAuthenticationToken', 'Request is missing Authentication Token', 403);
    if (key !== ACCESS_KEY)
      throw new FakeError('AuthFailure', 'AWS was not able to validate the provided access credentials', 401);
    const region = this.regions.get(regionName);
    if (region === undefined)
      throw new FakeError('OptInRequired', `You are not subscribed to this service in ${regionName}`, 401);
    settle(region, this.now());
    const fault = this.faults.find(
      (one) => one.action === action && one.times > 0 && (one.region === undefined || one.region === regionName),
    );
    if (fault !== undefined) {
      fault.times--;
      throw new FakeError(fault.code, fault.message ?? fault.code, fault.status ?? 400);
    }
    if (this.denied.has(action)) {
      throw new FakeError(
        'UnauthorizedOperation',
        `You are not authorized to perform this operation. User: arn:aws:iam::${ACCOUNT}:user/kib is not authorized. Encoded authorization failure message: ${'x'.repeat(400)}`,
        403,
      );
    }
    return region;
  }

  async #call(action: string, params: Params, regionName: string, key: string | undefined) {
    const region = await this.admit(action, regionName, key);
    const handler = HANDLERS[action];
    if (handler === undefined) throw new FakeError('InvalidAction', `The action ${action} is not valid for this web service.`);
    if (text(params, 'DryRun') === 'true') {
      throw new FakeError('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
    }
    return handler({ aws: this, region, params });
  }

  async #answerSsm(
    body: Buffer,
    regionName: string,
    reply: (status: number, type: string, answer: string, headers?: Record<string, string>) => void,
  ): Promise<void> {
    const { Name } = JSON.parse(body.toString()) as { Name: string };
    const Value = this.region(regionName).parameters.get(Name);
    if (this.denied.has('GetParameter')) {
      reply(400, 'application/x-amz-json-1.1', JSON.stringify({ __type: 'AccessDeniedException', message: 'not authorized' }));
    } else if (Value === undefined) {
      reply(400, 'application/x-amz-json-1.1', JSON.stringify({ __type: 'ParameterNotFound' }));
    } else {
      reply(200, 'application/x-amz-json-1.1', JSON.stringify({ Parameter: { Name, Type: 'String', Value, Version: 1 } }));
    }
  }
}

/** For telling whether a client token came with the same call. */
export function fingerprint(params: Params): string {
  return createHash('sha256').update(JSON.stringify(params)).digest('hex');
}

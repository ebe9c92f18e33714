import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { FakeLibrary } from './library.ts';
import { FakeMachines } from './machines.ts';
import type { OpenApi } from './openapi.ts';
import { Refusal } from './refusal.ts';
import { answer } from './routes.ts';
import type { Runner } from './runner.ts';
import type { Answer, World } from './world.ts';

const execute = promisify(execFile);

export const LOGIN = { username: 'kib@vsphere.local', password: 'Corr3ct-horse' };

export interface FakeOptions {
  /** Empty folder of the caller's. */
  readonly dir: string;
  readonly runner: Runner;
  readonly openApi: OpenApi | undefined;
  /** API version; default: 8.0.2.0. */
  readonly version?: string;
  /** Address to listen on; default: loopback. */
  readonly host?: string;
  /** Milliseconds that every call takes; default: none. */
  readonly delayMs?: number;
}

/** A rule that makes calls fail: those whose `METHOD /path?query` fits. */
export interface Fault {
  readonly call: RegExp;
  readonly status: number;
  readonly type: string;
  readonly message: string;
  times: number;
}

/**
 * A vCenter for tests, with the REST API and a little of VI-JSON over TLS: sessions, inventory, library with real files, tasks, and machines that
 * a runner boots. Every exchange is judged by VMware's OpenAPI descriptions.
 */
export class FakeVcenter implements AsyncDisposable {
  readonly server: string;
  /** PEM file with the authority of its certificate. */
  readonly caFile: string;
  readonly world: World;
  /** What of the exchanges is not as VMware describes them. */
  readonly violations: string[] = [];
  /** Called before each call is worked on. */
  onCall: (line: string) => void = () => {};
  /** `METHOD /path?query` of every call. */
  readonly calls: string[] = [];
  readonly faults: Fault[] = [];
  readonly tokens = new Set<string>();
  readonly #close: () => Promise<void>;

  private constructor(server: string, caFile: string, world: World, close: () => Promise<void>) {
    this.server = server;
    this.caFile = caFile;
    this.world = world;
    this.#close = close;
  }

  static async start({
    dir,
    runner,
    openApi,
    version = '8.0.2.0',
    host = '127.0.0.1',
    delayMs = 0,
  }: FakeOptions): Promise<FakeVcenter> {
    await mkdir(join(dir, 'vms'), { recursive: true });
    const certificate = [
      '-subj',
      '/CN=fake vCenter',
      '-addext',
      `subjectAltName=IP:${host}`,
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
    ];
    await execute('openssl', ['req', '-x509', '-nodes', ...certificate, '-days', '2', '-keyout', 'key.pem', '-out', 'ca.pem'], {
      cwd: dir,
    });
    const library = new FakeLibrary(join(dir, 'library'));
    library.libraries.set('lib-1', 'images');
    const world: World = {
      version,
      library,
      machines: new FakeMachines(join(dir, 'vms'), library, runner),
      tasks: new Map(),
      origin: '',
    };
    const fake: { current: FakeVcenter | undefined } = { current: undefined };
    const server = createServer(
      { key: await readFile(join(dir, 'key.pem')), cert: await readFile(join(dir, 'ca.pem')) },
      (req, res) => {
        const handled = fake.current?.handle(req, res, openApi, delayMs) ?? Promise.resolve();
        handled.catch((error: unknown) => {
          fake.current?.violations.push(`${req.method} ${req.url}: the fake broke: ${String((error as Error).stack)}`);
          res.destroy();
        });
      },
    );
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const { port } = server.address() as AddressInfo;
    world.origin = `https://${host}:${port}`;
    fake.current = new FakeVcenter(`${host}:${port}`, join(dir, 'ca.pem'), world, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return fake.current;
  }

  /** Options of the driver for this vCenter. */
  get options() {
    return {
      server: this.server,
      username: LOGIN.username,
      password: LOGIN.password,
      caFile: this.caFile,
      datastore: 'datastore1',
      cluster: 'cluster1',
      network: 'VM Network',
      library: 'images',
      pollSeconds: 0.01,
    };
  }

  /** Names of what is there besides what is kept: machines, items, transfer sessions that are open. */
  leftovers(): readonly string[] {
    const { machines, library } = this.world;
    return [
      ...[...machines.all.values()].map(({ name }) => name).filter((name) => name.startsWith('kib-')),
      ...[...library.items.values()]
        .map(({ name }) => name)
        .filter((name) => name.startsWith('kib-') && !name.startsWith('kib-base-')),
      ...[...library.updates.values()].filter(({ state }) => state === 'ACTIVE').map(({ id }) => `update session ${id}`),
      ...[...library.downloads.keys()].map((id) => `download session ${id}`),
    ];
  }

  fail(call: RegExp, status: number, type: string, message: string, times = 1): void {
    this.faults.push({ call, status, type, message, times });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world.machines.stopAll();
    await this.#close();
  }

  async handle(req: IncomingMessage, res: ServerResponse, openApi: OpenApi | undefined, delayMs: number): Promise<void> {
    const url = new URL(req.url ?? '/', this.world.origin);
    const method = req.method ?? 'GET';
    const line = `${method} ${url.pathname}${url.search}`;
    this.calls.push(line);
    this.onCall(line);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (url.pathname.startsWith('/cls/data/')) {
      await this.#transfer(req, res, url);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    const isFault = this.faults.some(({ call, times }) => times > 0 && call.test(line));
    const given = await this.#answer(req, { method, url, body }).catch((error: unknown): Answer => {
      if (error instanceof Refusal) return { status: error.status, body: error.body };
      throw error;
    });
    // Anything may answer 503 for itself or something before it.
    if (openApi !== undefined && url.pathname.startsWith('/api/') && !(given.status === 503 && isFault)) {
      const exchange = { method, path: url.pathname, query: url.searchParams, body, status: given.status, answer: given.body };
      this.violations.push(...openApi(exchange).map((problem) => `${line}: ${problem}`));
    }
    if (typeof given.body === 'string' && given.type !== undefined) {
      res.writeHead(given.status, { 'content-type': given.type }).end(given.body);
      return;
    }
    res.writeHead(given.status, { 'content-type': 'application/json' });
    res.end(given.body === undefined ? undefined : JSON.stringify(given.body));
  }

  async #answer(
    req: IncomingMessage,
    call: { readonly method: string; readonly url: URL; readonly body: unknown },
  ): Promise<Answer> {
    const { method, url } = call;
    const line = `${method} ${url.pathname}${url.search}`;
    const fault = this.faults.find((candidate) => candidate.times > 0 && candidate.call.test(line));
    if (fault !== undefined) {
      fault.times -= 1;
      throw new Refusal(fault.status, fault.type, fault.message);
    }
    if (url.pathname === '/sdk/vimServiceVersions.xml') {
      const body = `<?xml version="1.0" encoding="UTF-8" ?><namespaces version="1.0"><namespace><name>urn:vim25</name><version>${this.world.version}</version><priorVersions><version>6.7</version></priorVersions></namespace></namespaces>`;
      return { status: 200, body, type: 'text/xml' };
    }
    const unknown = new Refusal(401, 'UNAUTHENTICATED', 'Authentication required.');
    if (line === 'POST /api/session') {
      const wanted = `Basic ${Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64')}`;
      if (req.headers.authorization !== wanted) throw unknown;
      const token = randomUUID();
      this.tokens.add(token);
      return { status: 201, body: token };
    }
    const token = String(req.headers['vmware-api-session-id']);
    if (!this.tokens.has(token)) throw unknown;
    if (line === 'DELETE /api/session') {
      this.tokens.delete(token);
      return { status: 204 };
    }
    return answer(this.world, call);
  }

  async #transfer(req: IncomingMessage, res: ServerResponse, url: URL): Promise<void> {
    const [, , , session = '', name = ''] = url.pathname.split('/');
    const { library } = this.world;
    try {
      const path = library.pathOf(session, decodeURIComponent(name));
      if (req.method === 'PUT') {
        await pipeline(req, createWriteStream(path));
        res.writeHead(200).end();
        return;
      }
      res.writeHead(200, { 'content-length': (await stat(path)).size });
      await pipeline(createReadStream(path), res);
    } catch (error) {
      if (error instanceof Refusal) res.writeHead(error.status).end(JSON.stringify(error.body));
      else res.destroy();
    }
  }
}

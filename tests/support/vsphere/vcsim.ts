import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, mkdir, readFile, rename } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findProgram } from '../../../src/io/programs.ts';
import { LOGIN } from './fake.ts';

const execute = promisify(execFile);
const source = fileURLToPath(new URL('vcsim', import.meta.url));

/** govmomi's simulator, compiled once into the cache; or why it cannot be had. */
export async function vcsimProgram(): Promise<{ readonly program: string } | { readonly missing: string }> {
  const texts = await Promise.all(['main.go', 'go.mod', 'go.sum'].map((name) => readFile(join(source, name), 'utf8')));
  const digest = createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 16);
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kib-native/vcsim');
  const program = join(folder, digest);
  const isThere = await access(program).then(
    () => true,
    () => false,
  );
  if (isThere) return { program };
  if ((await findProgram('go')) === undefined) return { missing: 'Go is not installed' };
  await mkdir(folder, { recursive: true });
  try {
    await execute('go', ['build', '-o', `${program}.part`, '.'], { cwd: source, timeout: 600_000 });
  } catch (error) {
    return { missing: `go build: ${String(error)}` };
  }
  await rename(`${program}.part`, program);
  return { program };
}

/** vcsim behind a translator, as a vCenter for our client. */
export interface Vcsim extends AsyncDisposable {
  /** Address of the translator. */
  readonly server: string;
  /** Id of a datastore. */
  readonly datastore: string;
}

/** Starts both; `dir` gets the translator's certificate. */
export async function startVcsim(program: string, dir: string): Promise<Vcsim> {
  const child = spawn(program, ['127.0.0.1:0', LOGIN.username, LOGIN.password], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const [vcsim = '', datastore = ''] = line.split(' ');
  const subject = ['-subj', '/CN=translator', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  await execute('openssl', ['req', '-x509', '-nodes', ...subject, '-days', '2', '-keyout', 'key.pem', '-out', 'ca.pem'], {
    cwd: dir,
  });
  const [key, cert] = await Promise.all(['key.pem', 'ca.pem'].map((name) => readFile(join(dir, name))));
  const server = createServer({ key, cert }, (req, res) => {
    translate(req, res, vcsim).catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    server: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    datastore,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * vcsim serves the API as it was before vSphere 7.0 U2: below /rest, `~action`, the body inside of `create_spec` or the like, the answer inside of
 * `value`, and 200 for everything. The same operations, in another envelope.
 */
async function translate(req: IncomingMessage, res: ServerResponse, vcsim: string): Promise<void> {
  const url = new URL(req.url ?? '/', 'https://translator');
  const method = req.method ?? 'GET';
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  if (!url.pathname.startsWith('/api/')) {
    const passed = await ask(vcsim, method, `${url.pathname}${url.search}`, req.headers, bytes);
    res.writeHead(passed.status, { 'content-length': passed.body.length }).end(passed.body);
    return;
  }
  const body = bytes.length === 0 ? undefined : (JSON.parse(bytes.toString()) as unknown);
  const old = oldForm(method, url, body);
  const sent = old.body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(old.body));
  const answer = await ask(vcsim, old.method, old.path, req.headers, sent);
  const text = answer.body.toString();
  if (answer.status !== 200) {
    res.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
    return;
  }
  const { value } = text === '' ? { value: undefined } : (JSON.parse(text) as { readonly value: unknown });
  const status = value === undefined || (value === null && !isList(url)) ? 204 : isCreation(method, url) ? 201 : 200;
  const given = value === null ? [] : value;
  // Transfers go through here, too, so that they are let in by our session.
  const told = JSON.stringify(given)?.replaceAll(`https://${vcsim}/`, `https://${req.headers.host}/`);
  res.writeHead(status, { 'content-type': 'application/json' }).end(status === 204 ? undefined : told);
}

function oldForm(
  method: string,
  url: URL,
  body: unknown,
): { readonly method: string; readonly path: string; readonly body?: unknown } {
  if (url.pathname === '/api/session') return { method, path: '/rest/com/vmware/cis/session' };
  const action = url.searchParams.get('action');
  const parts = url.pathname.replace('/api/content/', '').split('/');
  const isFile = parts.at(-1) === 'file';
  const last = isFile ? parts.at(-2) : parts.at(-1);
  const hasId = last !== undefined && /^[0-9a-f-]{36}$/.test(last);
  const named = isFile ? parts.slice(0, -2) : hasId ? parts.slice(0, -1) : parts;
  const base = `/rest/com/vmware/content/${named.join('/')}`;
  if (isFile) {
    const files = `${base.replace('update-session', 'updatesession').replace('download-session', 'downloadsession')}/file`;
    const name = url.searchParams.get('file_name');
    if (name !== null) return { method: 'POST', path: `${files}/id:${last}?~action=get`, body: { file_name: name } };
    if (method === 'GET')
      return { method, path: `${files}?${last === undefined ? '' : `${named.at(-1)?.replace('-', '_')}_id=${last}`}` };
    if (action === null) return { method, path: `${files}/id:${last}?~action=add`, body: { file_spec: body } };
    return { method, path: `${files}/id:${last}?~action=${action}`, body };
  }
  const path = `${base}${hasId ? `/id:${last}` : ''}`;
  if (action !== null) return { method, path: `${path}?~action=${action}`, body: action === 'find' ? { spec: body } : body };
  if (method === 'POST') return { method, path, body: { create_spec: body } };
  if (method === 'PATCH') return { method, path, body: { update_spec: body } };
  return { method, path: `${path}${url.search}`, body };
}

function isCreation(method: string, url: URL): boolean {
  return method === 'POST' && !url.searchParams.has('action');
}

function isList(url: URL): boolean {
  return (
    url.searchParams.get('action') === 'find' ||
    url.searchParams.has('library_item_id') ||
    url.pathname === '/api/content/library'
  );
}

function ask(host: string, method: string, path: string, headers: IncomingMessage['headers'], body: Buffer) {
  const { authorization, 'vmware-api-session-id': session, 'content-type': type } = headers;
  const sent = { authorization, 'vmware-api-session-id': session, 'content-type': type, 'content-length': body.length };
  const given = Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== undefined)) as Record<string, string>;
  return new Promise<{ readonly status: number; readonly body: Buffer }>((resolve, reject) => {
    const call = request(`https://${host}${path}`, { method, headers: given, rejectUnauthorized: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => resolve({ status: res.statusCode ?? 500, body: Buffer.concat(chunks) }));
      res.on('error', reject);
    });
    call.on('error', reject);
    call.end(body);
  });
}

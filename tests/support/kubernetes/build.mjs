// Compiles a real kubeadm, kubelet and kubectl from the Kubernetes Go modules, laid out like dl.k8s.io.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { constants, homedir, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Newest v1.35 patch the module index lists; kubelet 1.35 is the last one that accepts containerd 1.7. */
export const KUBERNETES_VERSION = 'v1.35.4';

/** The Go release that {@link KUBERNETES_VERSION} asks for in its go.mod. */
export const KUBERNETES_GO = '1.25.0';

const BINARIES = ['kubeadm', 'kubelet', 'kubectl'];
const KUBERNETES = 'k8s.io/kubernetes';

/** Thrown when PATH offers no Go that may build the release: a reason to skip, not to fail. */
export class NoGoError extends Error {
  code = 'NO_GO';
}

/**
 * Whether `go` on PATH is new enough, or may fetch a newer toolchain by itself. Takes milliseconds, needs no network.
 * @param {string} [needed]
 */
export function hasGo(needed = KUBERNETES_GO) {
  return toolchainFor(needed) !== undefined;
}

/**
 * Returns the folder that contains `release/<version>/bin/linux/<arch>/`, building it on first use. Safe to call from
 * several processes at once; a complete cache is only checked against its digests.
 * @param {{ version?: string, arch?: string, onLine?: (line: string) => void, signal?: AbortSignal }} [options]
 * @returns {Promise<{ dir: string, version: string }>}
 * @throws {NoGoError} when it must be built and there is no Go for it
 */
export async function ensureKubernetesRelease(options = {}) {
  const { version = KUBERNETES_VERSION, arch = hostArch(), onLine = () => {}, signal } = options;
  if (!/^v1\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$/.test(version)) {
    throw new TypeError(`version must look like ${KUBERNETES_VERSION}, got ${JSON.stringify(version)}`);
  }
  if (!/^[a-z0-9]+$/.test(arch)) throw new TypeError(`arch must look like amd64, got ${JSON.stringify(arch)}`);

  const root = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'kib-native', 'test-kubernetes');
  const dir = join(root, `${version}-${arch}`);
  const bin = join('release', version, 'bin', 'linux', arch);
  if (await isComplete(join(dir, bin))) return { dir, version };

  await mkdir(root, { recursive: true });
  const unlock = await lock(`${dir}.lock`, onLine, signal);
  const work = await mkdtemp(`${dir}.building-`);
  try {
    if (!(await isComplete(join(dir, bin)))) {
      const out = join(work, 'out');
      await compile({ version, arch, onLine, signal, module: join(work, 'module'), bin: join(out, bin) });
      // A folder that fails its digests is in the way of the rename.
      await rm(dir, { recursive: true, force: true });
      await rename(out, dir);
    }
    return { dir, version };
  } finally {
    await rm(work, { recursive: true, force: true });
    await unlock();
  }
}

/** @param {{ version: string, arch: string, module: string, bin: string, onLine: (line: string) => void, signal: AbortSignal | undefined }} job */
async function compile({ version, arch, module, bin, onLine, signal }) {
  await mkdir(module, { recursive: true });
  await mkdir(bin, { recursive: true });
  /** @param {string} toolchain */
  const goWith = (toolchain) => {
    const env = { ...process.env, GOTOOLCHAIN: toolchain, GOFLAGS: '-mod=mod', GOWORK: 'off', CGO_ENABLED: '0' };
    /** @param {string[]} args @param {Record<string, string>} [more] @param {(line: string) => void} [onErr] */
    return (args, more = {}, onErr = onLine) => run('go', args, { cwd: module, env: { ...env, ...more }, signal }, onErr);
  };

  if (!localGo()) throw new NoGoError(`Kubernetes ${version} must be compiled, and there is no go on PATH`);
  const info = JSON.parse(await goWith('local')(['list', '-m', '-json', `${KUBERNETES}@${version}`]));
  const upstream = JSON.parse(await goWith('local')(['mod', 'edit', '-json', info.GoMod]));
  const toolchain = toolchainFor(upstream.Go);
  if (!toolchain) {
    throw new NoGoError(`Kubernetes ${version} needs Go >= ${upstream.Go}; PATH has ${localGo()} and may not fetch another`);
  }
  const go = goWith(toolchain);

  onLine(`fetching ${KUBERNETES} ${version}`);
  const { Dir: source } = JSON.parse(await go(['mod', 'download', '-json', `${KUBERNETES}@${version}`]));
  await writeFile(join(module, 'go.mod'), await readFile(info.GoMod));
  // Its own go.sum pins every third-party module, so only k8s.io/* is looked up in the checksum database.
  await writeFile(join(module, 'go.sum'), await readFile(join(source, 'go.sum')));
  await go(['mod', 'edit', '-module=kib.test/kubernetes', `-require=${KUBERNETES}@${version}`, ...staging(upstream, version)]);

  let packages = 0;
  let reported = Date.now();
  onLine(`compiling ${BINARIES.join(', ')} for linux/${arch} (a few minutes)`);
  const flags = ['-v', '-trimpath', '-buildvcs=false', '-tags=selinux,notest,grpcnotrace', `-ldflags=${ldflags(version, info)}`];
  const targets = BINARIES.map((name) => `${KUBERNETES}/cmd/${name}`);
  await go(['build', ...flags, '-o', `${bin}/`, ...targets], { GOOS: 'linux', GOARCH: arch }, (line) => {
    // With -v a line that is one import path is a package just compiled: there are over a thousand.
    if (/^go: downloading|\s/.test(line)) return onLine(line);
    packages += 1;
    if (Date.now() - reported < 10_000) return;
    reported = Date.now();
    onLine(`${packages} packages compiled, now ${line}`);
  });
  for (const name of BINARIES) await writeFile(join(bin, `${name}.sha256`), await sha256(join(bin, name)));
}

/**
 * Kubernetes replaces its staging modules by folders that its module archive lacks; they are published as v0.x.y.
 * @param {{ Replace: { Old: { Path: string }, New: { Path: string } }[] }} upstream
 * @param {string} version
 */
function staging(upstream, version) {
  const local = upstream.Replace.filter((row) => row.New.Path.startsWith('./staging/'));
  return local.map(({ Old }) => `-replace=${Old.Path}=${Old.Path}@${version.replace(/^v1\./, 'v0.')}`);
}

/**
 * The stamps of a release build; the date is that of the tag, so that the same input gives the same bytes.
 * @param {string} version
 * @param {{ Time?: string, Origin?: { Hash?: string } }} info
 */
function ldflags(version, info) {
  const [major = '', minor = ''] = version.slice(1).split('.');
  const stamps = Object.entries({
    gitVersion: version,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: 'clean',
    gitCommit: info.Origin?.Hash ?? '',
    buildDate: info.Time ?? '1970-01-01T00:00:00Z',
  });
  const targets = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  return ['-s -w', ...targets.flatMap((target) => stamps.map(([key, value]) => `-X ${target}.${key}=${value}`))].join(' ');
}

/** @param {string} bin */
async function isComplete(bin) {
  /** @param {string} name */
  const matches = async (name) => {
    const [wanted, got] = await Promise.all([readFile(join(bin, `${name}.sha256`), 'utf8'), sha256(join(bin, name))]);
    return wanted.trim() === got;
  };
  try {
    return (await Promise.all(BINARIES.map(matches))).every(Boolean);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return false;
    throw error;
  }
}

/** @param {string} file */
async function sha256(file) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * Keeps a second process from compiling the same thing. Two that take over one stale lock both build: harmless, as
 * each publishes by rename.
 * @param {string} file @param {(line: string) => void} onLine @param {AbortSignal | undefined} signal
 */
async function lock(file, onLine, signal) {
  for (let waited = 0; ; waited += 1) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' });
      return () => rm(file, { force: true });
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    // The owner's id lands a moment after the file itself, so an empty file is not stale yet.
    if (owner && !isAlive(owner)) await rm(file, { force: true });
    else if (waited === 0) onLine(`waiting for process ${owner}, which builds the same release`);
    await sleep(250, undefined, { signal });
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

/**
 * The GOTOOLCHAIN to build with: `local` when that is new enough, else whatever the user lets Go fetch.
 * @param {string} needed
 */
function toolchainFor(needed) {
  const local = localGo();
  if (!local || isAtLeast(local, needed)) return local && 'local';
  const allowed = goEnv('GOTOOLCHAIN');
  return allowed && allowed !== 'local' ? allowed : undefined;
}

function localGo() {
  return goEnv('GOVERSION', { GOTOOLCHAIN: 'local' });
}

/** @param {string} name @param {Record<string, string>} [env] */
function goEnv(name, env = {}) {
  const answer = spawnSync('go', ['env', name], { cwd: tmpdir(), env: { ...process.env, ...env }, encoding: 'utf8' });
  return answer.status === 0 ? answer.stdout.trim() || undefined : undefined;
}

/** @param {string} version @param {string} needed */
function isAtLeast(version, needed) {
  const [have, want] = [version, needed].map((text) => (text.match(/\d+/g) ?? []).slice(0, 3).map(Number));
  for (const [index, number] of (want ?? []).entries()) {
    const difference = (have?.[index] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function hostArch() {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/**
 * Runs at the lowest priority, so that a long compile does not disturb what is measured beside it. Returns stdout.
 * @param {string} command @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, signal: AbortSignal | undefined }} options
 * @param {(line: string) => void} onLine gets stderr
 * @returns {Promise<string>}
 */
function run(command, args, options, onLine) {
  return new Promise((resolve, reject) => {
    const { signal, ...rest } = options;
    signal?.throwIfAborted();
    const child = spawn(command, args, { ...rest, stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    const stop = () => child.kill('SIGINT');
    signal?.addEventListener('abort', stop, { once: true });
    let stdout = '';
    /** @type {string[]} */
    let tail = [];
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      tail = [...tail.slice(-9), line];
      onLine(line);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) reject(signal.reason);
      else if (code === 0) resolve(stdout);
      // `go mod download -json` reports its error on stdout.
      else
        reject(new Error(`${command} ${args.slice(0, 2).join(' ')} ended with ${code}\n${[...tail, stdout].join('\n').trim()}`));
    });
  });
}

async function main() {
  const { values } = parseArgs({ options: { version: { type: 'string' }, arch: { type: 'string' } } });
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort(new Error(`stopped by ${name}`)));
  const onLine = (/** @type {string} */ line) => void process.stderr.write(`${line}\n`);
  const { dir } = await ensureKubernetesRelease({ ...values, onLine, signal: stop.signal });
  process.stdout.write(`${dir}\n`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error instanceof NoGoError ? 3 : 1;
  });
}

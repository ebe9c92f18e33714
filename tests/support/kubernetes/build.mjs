// A real kubeadm, kubelet and kubectl, compiled once into the user's cache and laid out like dl.k8s.io.
import { createHash } from 'node:crypto';
import { createReadStream, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compileKubernetes } from './compile.mjs';
import { NoGoError, toolchainFor } from './go.mjs';

export { NoGoError };

/** From the v1.35 line because its kubelet is the last to accept containerd 1.7, which Debian 13 ships. */
export const KUBERNETES_VERSION = 'v1.35.4';

// What the go.mod of KUBERNETES_VERSION asks for; kept here so that hasGo() needs no network.
const KUBERNETES_GO = '1.25.0';

const BINARIES = /** @type {const} */ (['kubeadm', 'kubelet', 'kubectl']);

/** Whether the Go on PATH can build {@link KUBERNETES_VERSION}, or may fetch a toolchain that can. No network. */
export function hasGo() {
  return toolchainFor(KUBERNETES_GO) !== undefined;
}

/**
 * Returns the folder that contains `release/<version>/bin/linux/<arch>/`, building it on first use. Safe to call from
 * several processes at once; a complete cache is only checked against its digests.
 * @param {{ version?: string, arch?: string, onLine?: (line: string) => void, signal?: AbortSignal }} [options]
 * @returns {Promise<{ dir: string, version: string }>}
 * @throws {NoGoError} when it has to be built and there is no Go for it
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
    if (await isComplete(join(dir, bin))) return { dir, version };
    const out = { dir: join(work, 'out'), bin: join(work, 'out', bin) };
    await compileKubernetes({ version, arch, names: BINARIES, module: join(work, 'module'), bin: out.bin, onLine, signal });
    for (const name of BINARIES) await writeFile(join(out.bin, `${name}.sha256`), await sha256(join(out.bin, name)));
    // A folder that failed its digests stands in the way of the rename.
    await rm(dir, { recursive: true, force: true });
    await rename(out.dir, dir);
    return { dir, version };
  } finally {
    await rm(work, { recursive: true, force: true });
    await unlock();
  }
}

/** @param {string} bin */
async function isComplete(bin) {
  /** @param {string} name */
  const matches = async (name) =>
    (await sha256(join(bin, name))) === (await readFile(join(bin, `${name}.sha256`), 'utf8')).trim();
  try {
    return (await Promise.all(BINARIES.map(matches))).every(Boolean);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
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
 * Keeps a second process from compiling the same thing. Two that take over one stale lock both build, which only costs
 * time, as each publishes by rename.
 * @param {string} file
 * @param {(line: string) => void} onLine
 * @param {AbortSignal | undefined} signal
 */
async function lock(file, onLine, signal) {
  for (let waits = 0; ; waits += 1) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' });
      return () => rm(file, { force: true });
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    const owner = Number(await readFile(file, 'utf8').catch(() => ''));
    // A lock is empty for the moment before its owner has signed it.
    if (owner && !isAlive(owner)) await rm(file, { force: true });
    else if (waits === 0) onLine(`waiting for process ${owner}, which builds the same release`);
    await sleep(250, undefined, { signal });
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return /** @type {NodeJS.ErrnoException} */ (error).code;
}

function hostArch() {
  return process.arch === 'x64' ? 'amd64' : process.arch;
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

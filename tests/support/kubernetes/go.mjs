// The Go toolchain on PATH: whether it is new enough, and running it.
import { spawn, spawnSync } from 'node:child_process';
import { constants, setPriority, tmpdir } from 'node:os';
import { createInterface } from 'node:readline';

/** Thrown when PATH offers no Go that may build the release: a reason to skip, not to fail. */
export class NoGoError extends Error {
  code = 'NO_GO';
}

/**
 * The GOTOOLCHAIN to build with: `local` when that is new enough, else whatever the user lets Go fetch, else undefined.
 * @param {string} needed
 */
export function toolchainFor(needed) {
  const local = localGo();
  if (!local) return undefined;
  if (isAtLeast(local, needed)) return 'local';
  const allowed = goEnv('GOTOOLCHAIN');
  return allowed === 'local' ? undefined : allowed;
}

/** The version of the Go on PATH itself, such as `go1.26.8`, whatever toolchain it is set to switch to. */
export function localGo() {
  return goEnv('GOVERSION', { GOTOOLCHAIN: 'local' });
}

/** @param {string} name @param {Record<string, string>} [env] */
function goEnv(name, env = {}) {
  // Elsewhere than the caller's folder, whose go.mod could ask for a toolchain of its own.
  const answer = spawnSync('go', ['env', name], { cwd: tmpdir(), env: { ...process.env, ...env }, encoding: 'utf8' });
  return answer.status === 0 ? answer.stdout.trim() || undefined : undefined;
}

/** @param {string} version @param {string} needed */
function isAtLeast(version, needed) {
  const [have, want] = /** @type {const} */ ([numbers(version), numbers(needed)]);
  const index = want.findIndex((number, at) => number !== (have[at] ?? 0));
  return index < 0 || (have[index] ?? 0) > (want[index] ?? 0);
}

/** @param {string} version */
function numbers(version) {
  return (version.match(/\d+/g) ?? []).slice(0, 3).map(Number);
}

/**
 * Runs `go` at the lowest priority, so that a long compile does not disturb what is measured beside it.
 * @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, signal: AbortSignal | undefined, onLine: (line: string) => void }} options
 *   `onLine` gets each line of stderr
 * @returns {Promise<string>} stdout
 */
export function runGo(args, { cwd, env, signal, onLine }) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn('go', args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    if (child.pid) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    // Not spawn's own `signal`: that settles before the compiler has let go of its files.
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
      if (signal?.aborted) return reject(signal.reason);
      if (code === 0) return resolve(stdout);
      // `go mod download -json` tells its error on stdout.
      reject(new Error(`go ${args.slice(0, 2).join(' ')} ended with ${code}:\n${[...tail, stdout].join('\n').trim()}`));
    });
  });
}

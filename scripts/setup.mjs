// Makes a fresh clone ready: npm dependencies, the compiled program, host packages. Does nothing that is done already.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const kib = [process.execPath, `${root}dist/bin/kib-native.js`];

/** Runs a command in the clone with its output shown; ends this process with its status when it fails. */
export function must(title, [program, ...args], options = {}) {
  console.error(`\n── ${title}`);
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) console.error(String(error));
  if (status !== 0) process.exit(status ?? 1);
}

/** npm dependencies and dist/, then the host programs that `doctor` finds missing. */
export function setUp(doctorArguments = []) {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`kib-native needs Node.js 20.19 or newer; this is ${process.versions.node}`);
    process.exit(3);
  }
  if (!isInstalled()) must('npm dependencies', ['npm', 'ci', '--no-audit', '--no-fund', '--ignore-scripts']);
  must('compile', [process.execPath, 'scripts/build.mjs']);
  must('host packages', [...kib, 'doctor', '--install', ...doctorArguments]);
}

// npm writes node_modules/.package-lock.json last, so an older lock file means a complete install of it.
function isInstalled() {
  const marker = `${root}node_modules/.package-lock.json`;
  return existsSync(marker) && statSync(marker).mtimeMs >= statSync(`${root}package-lock.json`).mtimeMs;
}

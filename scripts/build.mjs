// Compiles to dist/ and sets the executable bit, which tsc does not.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = `${root}node_modules/typescript/bin/tsc`;

// npx in a fresh clone runs this as the `prepare` script without having installed anything.
if (!existsSync(`${root}node_modules`)) run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts']);
if (!existsSync(compiler)) {
  console.error('kib-native is compiled by TypeScript, which is not installed: npm ci');
  process.exit(1);
}
rmSync(`${root}dist`, { recursive: true, force: true });
run(process.execPath, [compiler, '-p', `${root}tsconfig.build.json`]);
chmodSync(`${root}dist/bin/kib-native.js`, 0o755);

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (error) console.error(String(error));
  if (status !== 0) process.exit(status ?? 1);
}

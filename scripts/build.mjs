// Compiles to dist/ and copies what tsc leaves out: recipe payloads and the executable bit.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
const tsc = spawnSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}tsconfig.build.json`], { stdio: 'inherit' });
if (tsc.status !== 0) process.exit(tsc.status ?? 1);
if (existsSync(`${root}recipes/files`)) cpSync(`${root}recipes/files`, `${root}dist/recipes/files`, { recursive: true });
chmodSync(`${root}dist/bin/kib-native.js`, 0o755);

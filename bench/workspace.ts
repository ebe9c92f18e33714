import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheHome } from '../src/cli/io.ts';
import type { LocalSource } from '../src/core/index.ts';
import { fetchBase } from '../src/engine/base/index.ts';
import { testContext } from '../tests/support/test-context.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const BENCH = fileURLToPath(new URL('.', import.meta.url));

/** What every scenario works with. */
export interface Bench {
  readonly signal: AbortSignal;
  /** Scratch folder of this run; removed at the end. */
  readonly work: string;
  /** qcow2 file that every build of either side starts from. */
  readonly base: string;
  readonly accelerator: string;
  /** The compiled program, as `node` runs it. */
  readonly program: readonly string[];
  say(text: string): void;
}

/** Ansible 2.14 of Debian 12 speaks to Python 3.11, so Debian 12 is the guest. Its apt module needs python3-apt, which it would install first. */
const BASE: LocalSource = { kind: 'bootstrap', suite: 'bookworm', packages: ['python3-apt'] };
const PEER_PACKAGES = ['packer', 'ansible', 'openssh-client', 'qemu-system-x86', 'qemu-utils', 'xorriso'];

/** Installs the peer, compiles the program, assembles the base. Nothing of it is timed. */
export async function prepare(signal: AbortSignal, parent: string | undefined): Promise<Bench> {
  const work = parent === undefined ? mkdtempSync(join(tmpdir(), 'kib-bench-')) : join(parent, `run-${process.pid}`);
  mkdirSync(work, { recursive: true });
  const say = (text: string): void => console.error(text);
  installPeer(say);
  const program = compile(work, say);
  say('base image: Debian 12, assembled from the package archive');
  await using context = await testContext({ cache: cacheHome(process.env), signal });
  const { path } = await fetchBase(BASE, 'amd64', context);
  const accelerator = acceleratorOf(program);
  say(`guests run on ${accelerator}; scratch files are in ${work}`);
  return { signal, work, base: path, accelerator, program, say };
}

/** Removes all that the run made, apart from results. */
export function cleanUp({ work }: Bench): void {
  rmSync(work, { recursive: true, force: true });
}

/** A fresh folder below the run's own. */
export function folder(bench: Bench, name: string): string {
  const path = join(bench.work, name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

function installPeer(say: Bench['say']): void {
  const missing = PEER_PACKAGES.filter(
    (name) => !must('dpkg-query', ['-W', '-f', '${Status}', name], true).endsWith('ok installed'),
  );
  if (missing.length === 0) return;
  say(`installing ${missing.join(' ')}`);
  must('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing]);
}

/** Into the scratch folder, so that nobody's dist/ and nobody's edits of the sources matter while this runs. */
function compile(work: string, say: Bench['say']): readonly string[] {
  say('compiling');
  const target = join(work, 'program');
  must(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(ROOT, 'tsconfig.build.json'),
    '--outDir',
    target,
  ]);
  symlinkSync(join(ROOT, 'node_modules'), join(target, 'node_modules'));
  cpSync(join(ROOT, 'package.json'), join(target, 'package.json'));
  return [process.execPath, join(target, 'bin/kib-native.js')];
}

function acceleratorOf(program: readonly string[]): string {
  const [node = '', script = ''] = program;
  const { stdout } = spawnSync(node, [script, 'doctor', '--json'], { encoding: 'utf8' });
  const groups = JSON.parse(stdout) as { findings: { name: string; detail: string }[] }[];
  const found = groups.flatMap(({ findings }) => findings).find(({ name }) => name === 'accelerator')?.detail ?? '';
  return /^(kvm|hvf),/.exec(found)?.[1] ?? 'tcg';
}

function must(program: string, args: readonly string[], mayFail = false): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status !== 0 && !mayFail) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout ?? '';
}

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { quote } from '../src/core/index.ts';
import { makeLogin } from '../src/engine/login.ts';
import { imageArguments } from './kib.ts';
import { measure } from './measure.ts';
import type { Phase, Sample } from './results.ts';
import { BENCH, type Bench, folder } from './workspace.ts';

export const FLOOR = 'floor';

export interface FloorRun {
  readonly sample: Sample;
  readonly image: string;
}

interface Plan {
  readonly driver: { readonly preview: readonly { readonly title: string; readonly argv: readonly string[] }[] };
  readonly layers: readonly { readonly actions: readonly Action[] }[];
  readonly seal: readonly Action[];
}

/** As `plan --json` has them. */
interface Action {
  readonly id: string;
  readonly kind: string;
  readonly script?: string;
  readonly content?: { readonly text?: string; readonly url?: string };
  readonly path?: string;
  readonly mode?: string;
  readonly owner?: string;
}

const TIMEOUT_MS = 1_200_000;

/**
 * The least a build of this image can take here: QEMU, one SSH session that runs the plan's commands as one script, power-off, convert,
 * digest; a shell script does it, none of the program's code. Seed, keys and script are made before.
 */
export async function buildByHand(bench: Bench, label: string, image: string): Promise<FloorRun> {
  const scratch = folder(bench, 'floor');
  const plan = readPlan(bench, image);
  const login = makeLogin({ instanceId: 'bench', hostname: 'localhost', minimal: true });
  writeFileSync(join(scratch, 'key'), login.credentials.privateKey, { mode: 0o600 });
  const seedFiles = join(scratch, 'seed');
  mkdirSync(seedFiles);
  for (const [name, text] of Object.entries(login.seed) as [string, string][]) writeFileSync(join(seedFiles, name), text);
  const seed = join(scratch, 'seed.iso');
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-o', seed, '-V', 'cidata', '-J', '-r', seedFiles], { stdio: 'ignore' });
  writeFileSync(join(scratch, 'commands.sh'), guestScript([...plan.layers.flatMap(({ actions }) => actions), ...plan.seal]));
  const values: Readonly<Record<string, string>> = {
    '<base>': bench.base,
    '<format>': 'qcow2',
    '<disk.qcow2>': join(scratch, 'disk.qcow2'),
    '<seed.iso>': seed,
    '<kvm|hvf|tcg>': bench.accelerator,
    '<host|max>': bench.accelerator === 'tcg' ? 'max' : 'host',
    '<build>': 'floor',
    '<qemu.pid>': join(scratch, 'qemu.pid'),
    '<console.log>': join(scratch, 'console.log'),
    '<firmware.log>': join(scratch, 'firmware.log'),
    '<qmp.sock>': join(scratch, 'qmp'),
  };
  const command = (title: RegExp): string => {
    const argv = plan.driver.preview.find((line) => title.test(line.title))?.argv ?? [];
    return `exec ${argv.map((word) => quote(fill(word, values))).join(' ')}\n`;
  };
  writeFileSync(join(scratch, 'disk.sh'), command(/disk/));
  writeFileSync(join(scratch, 'machine.sh'), command(/machine/));
  const marks: { readonly name: string; readonly at: number }[] = [];
  const { seconds, cpuSeconds } = await measure(['sh', join(BENCH, 'floor.sh'), scratch, login.credentials.username], {
    cwd: scratch,
    signal: bench.signal,
    timeoutMs: TIMEOUT_MS,
    log: join(bench.work, `${label}.log`),
    onLine: (line, at) => {
      const name = /^── (.*)$/.exec(line)?.[1];
      if (name !== undefined) marks.push({ name, at });
    },
  });
  const phases = marks.map(({ name, at }, index): Phase => ({ name, seconds: (marks[index + 1]?.at ?? seconds) - at }));
  return { sample: { subject: FLOOR, seconds, cpuSeconds, phases }, image: join(scratch, 'image.qcow2') };
}

function readPlan(bench: Bench, image: string): Plan {
  const [node = '', script = ''] = bench.program;
  const text = execFileSync(node, [script, 'plan', '--json', ...imageArguments(bench, [image])], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  return JSON.parse(text) as Plan;
}

function fill(word: string, values: Readonly<Record<string, string>>): string {
  const filled = word.replaceAll(/<[a-z0-9.|]+>/g, (name) => values[name] ?? name);
  if (/<[a-z0-9.| ]+>/.test(filled)) throw new Error(`the plan's command has ${filled}, which the floor does not know`);
  return filled;
}

/** All actions one after the other, each in a shell of its own as the engine runs them; then the machine powers itself off. */
function guestScript(actions: readonly Action[]): string {
  const environment = 'umask 022; cd /; export HOME=/root LC_ALL=C LANG=C DEBIAN_FRONTEND=noninteractive';
  return ['set -eu', environment, ...actions.map(step), 'echo done-by-hand', 'systemctl --no-block poweroff', ''].join('\n');
}

function step({ id, kind, script, content, path, mode, owner }: Action): string {
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  if (kind === 'exec' && script !== undefined)
    return `echo ${encode(script)} | base64 -d >/run/step.sh; sh -eu /run/step.sh </dev/null`;
  const text = content?.url === undefined ? content?.text : readFileSync(new URL(content.url), 'utf8');
  if (kind === 'put' && text !== undefined && path !== undefined && mode !== undefined && owner !== undefined) {
    const file = quote(path);
    return `mkdir -p "$(dirname ${file})"; echo ${encode(text)} | base64 -d >${file}; chmod ${mode} ${file}; chown ${owner} ${file}`;
  }
  throw new Error(`${id} is of a kind that the floor cannot do`);
}

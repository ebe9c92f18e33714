import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadRegistry } from '../../../src/cli/registry.ts';
import { cli } from '../../support/cli.ts';

const BENCH = fileURLToPath(new URL('../../../bench/', import.meta.url));
const PEER = join(BENCH, 'peer');

type Arguments = Readonly<Record<string, unknown>>;

/** A task of a playbook, once for each item of its loop. */
interface Task {
  readonly module: string;
  readonly arguments: Arguments;
  /** Folder of its role, or of the playbook. */
  readonly folder: string;
}

interface Action {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
  readonly script?: string;
  readonly path?: string;
  readonly content?: { readonly text?: string; readonly url?: string };
}

describe.each(['short', 'whole'])('the playbook %s.yml', (list) => {
  const tasks = tasksOf(join(PEER, `${list}.yml`));
  const of = (...modules: readonly string[]) => tasks.filter(({ module }) => modules.includes(module.split('.').at(-1) ?? ''));

  it('installs what the image does', async () => {
    const install = (await actionsOf(list)).find(({ title }) => title.startsWith('install '))?.script ?? '';
    const packages = /^ *kib_install\(\) \{.* install ([a-z0-9.+ -]+); \}$/m.exec(install)?.[1]?.trim().split(' ') ?? [];
    const named = of('apt').flatMap(({ arguments: { name } }) => namesIn(name));
    expect(packages.length).toBeGreaterThan(8);
    expect(named.filter((name) => !packages.includes(name) && !PRESENT.includes(name))).toEqual([]);
    expect(packages.filter((name) => !named.includes(name))).toEqual([]);
  });

  it('writes the files that the image has', async () => {
    const written = new Map(of('copy', 'template').map((task) => [String(task.arguments['dest']), textOf(task)]));
    const put = (await actionsOf(list)).filter(({ kind, path }) => kind === 'put' && path !== SYSCTLS);
    expect(put.length).toBeGreaterThan(3);
    expect(Object.fromEntries(written)).toEqual(Object.fromEntries(put.map((action) => [action.path, contentOf(action)])));
  });

  it('sets the kernel settings that the image has', async () => {
    const settings =
      (await actionsOf(list))
        .find(({ path }) => path === SYSCTLS)
        ?.content?.text?.trim()
        .split('\n') ?? [];
    const set = of('sysctl').map(({ arguments: { name, value } }) => `${String(name)} = ${String(value)}`);
    expect(settings.length).toBeGreaterThan(8);
    expect(set.toSorted()).toEqual(settings.toSorted());
  });

  it('masks the units that the image has masked', async () => {
    const wanted = (await actionsOf(list)).flatMap(({ title }) => /^mask (.*)$/.exec(title)?.[1]?.split(', ') ?? []);
    const masked = [
      ...of('systemd', 'service').flatMap(({ arguments: { name, masked } }) => (masked === true ? [String(name)] : [])),
      ...of('command').flatMap(({ arguments: { argv = [] } }) => {
        const [program, verb, ...units] = argv as readonly string[];
        return program === 'systemctl' && verb === 'mask' ? units : [];
      }),
    ];
    expect(masked.toSorted()).toEqual(wanted.toSorted());
  });
});

const SYSCTLS = '/etc/sysctl.d/99-kubernetes.conf';
/** image-builder's roles name them; every base has them, or what is installed needs them. */
const PRESENT = ['libseccomp2'];

async function actionsOf(list: string): Promise<readonly Action[]> {
  const { code, stdout, stderr } = await cli(['plan', join(BENCH, 'images', `${list}.yaml`), '--json'], {
    registry: loadRegistry,
    cwd: BENCH,
  });
  expect(code, stderr).toBe(0);
  const { layers } = JSON.parse(stdout) as { readonly layers: readonly { readonly actions: readonly Action[] }[] };
  return layers.flatMap(({ actions }) => actions);
}

function contentOf({ content }: Action): string {
  return content?.url === undefined ? (content?.text ?? '') : readFileSync(new URL(content.url), 'utf8');
}

/** All tasks of a playbook and of the roles it includes, loops unrolled. */
function tasksOf(path: string): readonly Task[] {
  const document = parse(readFileSync(path, 'utf8')) as readonly Arguments[];
  const given = document.flatMap((entry) => (entry['tasks'] as readonly Arguments[] | undefined) ?? [entry]);
  const folder = path.endsWith('/tasks/main.yml') ? dirname(dirname(path)) : dirname(path);
  return given.flatMap((task) => {
    const role = (task['ansible.builtin.include_role'] as { name: string } | undefined)?.name;
    return role === undefined ? unrolled(task, folder) : tasksOf(join(PEER, 'roles', role, 'tasks/main.yml'));
  });
}

function unrolled(task: Arguments, folder: string): readonly Task[] {
  const module = Object.keys(task).find((key) => key.includes('.')) ?? '';
  const vars = (task['vars'] ?? {}) as Arguments;
  const loop = task['loop'] ?? task['with_items'] ?? [undefined];
  const dictionary = typeof loop === 'string' ? vars[/^\{\{ (\w+) \| dict2items/.exec(loop)?.[1] ?? ''] : undefined;
  const items = Array.isArray(loop)
    ? loop
    : Object.entries((dictionary ?? {}) as Arguments).map(([key, value]) => ({ key, value }));
  return items.map((item) => ({ module, folder, arguments: filled(task[module], item, vars) as Arguments }));
}

/** `{{ item }}`, `{{ item.x }}` and lists that `vars` names; what is computed otherwise stays as it is. */
function filled(value: unknown, item: unknown, vars: Arguments): unknown {
  if (Array.isArray(value)) return value.map((one) => filled(one, item, vars));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, filled(one, item, vars)]));
  const [, name = '', member] =
    (typeof value === 'string' ? /^\{\{ (\w+)(?:\.(\w+))?(?: \+ .*)? \}\}$/.exec(value) : undefined) ?? [];
  if (name === 'item') return member === undefined ? item : (item as Arguments)[member];
  return vars[name] ?? value;
}

function namesIn(name: unknown): readonly string[] {
  if (Array.isArray(name)) return name.map(String);
  return typeof name === 'string' ? [name] : [];
}

/** The file a task names, where Ansible looks for it. */
function textOf({ arguments: { src, content }, folder }: Task): string {
  if (typeof content === 'string') return content;
  const places = ['files', 'templates', ''].flatMap((place) => [
    join(folder, place, String(src)),
    join(PEER, place, String(src)),
  ]);
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`no file ${String(src)} in ${folder}`);
  return readFileSync(found, 'utf8');
}

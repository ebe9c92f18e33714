import { join } from 'node:path';
import type { Draft } from './draft.ts';
import type { Task } from './playbook.ts';
import { record, text, texts } from './template.ts';

const PACKAGE_MODULES = ['apt', 'dnf', 'yum', 'package', 'tdnf', 'zypper'];

/** Turns tasks of Ansible into recipes and steps, as far as their meaning is plain. The others are noted, each with its place. */
export function takeTasks(draft: Draft, tasks: readonly Task[]): void {
  if (tasks.some((task) => /cri-?o\b/i.test(JSON.stringify(task.raw)))) {
    draft.recipe('crio', {}, tasks[0]?.place ?? '');
    draft.comment('recipes', 'The playbook speaks of CRI-O; without crio the runtime is containerd.');
  }
  for (const task of tasks) {
    if (task.raw['when'] !== undefined && !isPackage(task))
      skip(draft, task, `it runs only when ${JSON.stringify(task.raw['when'])}`);
    else take(draft, task);
  }
}

function take(draft: Draft, task: Task): void {
  const { module, args } = task;
  if (isPackage(task)) packages(draft, task);
  else if (pullsImages(task)) pull(draft, task);
  else if (module === 'sysctl') draft.entry('recipes.node.sysctls', text(args['name']) ?? text(args['key']), text(args['value']));
  else if (module === 'modprobe') draft.add('recipes.node.modules', text(args['name']));
  else if (module === 'copy' || module === 'template') copy(draft, task);
  else if ((module === 'shell' || module === 'command') && task.raw['loop'] === undefined) command(draft, task);
  else if (module === 'reboot') draft.add('provision', { reboot: true });
  else if (module === 'systemd_service' || module === 'systemd' || module === 'service') service(draft, task);
  else skip(draft, task, `the module ${module} has no counterpart`);
}

function isPackage({ module }: Task): boolean {
  return PACKAGE_MODULES.includes(module);
}

function packages(draft: Draft, task: Task): void {
  const { args, place } = task;
  const names = texts(args['name'] ?? args['pkg']).flatMap((name) => name.split(','));
  if (text(args['state']) === 'absent') return skip(draft, task, 'packages are not removed');
  if (names.includes('*') || text(args['upgrade']) !== undefined) draft.set('recipes.setup.upgrade', 'all', place);
  for (const name of names.map((entry) => entry.trim()).filter((entry) => entry !== '*' && entry !== '')) {
    if (name.includes('{{')) skip(draft, task, `only Ansible knows ${name}`);
    else if (name === 'qemu-guest-agent') draft.recipe('guest-agent', { enabled: true }, place);
    else if (name === 'watchdog') draft.recipe('watchdog', { mode: 'daemon' }, place);
    else draft.add('recipes.setup.packages', name);
  }
}

function pullsImages({ module, args, raw }: Task): boolean {
  const commandLine = [text(args['_']), text(args['cmd']), ...texts(args['argv'])].join(' ');
  return (
    (module === 'command' || module === 'shell') &&
    /\b(crictl|ctr|nerdctl)\b.*\bpull\b/.test(commandLine) &&
    raw['loop'] !== undefined
  );
}

/** `crictl pull {{ item }}` over a list, or over a file of the role. */
function pull(draft: Draft, task: Task): void {
  const { raw, role, place } = task;
  const loop = raw['loop'];
  const file = typeof loop === 'string' ? /["']([\w./-]+\.json)["']/.exec(loop)?.[1] : undefined;
  if (Array.isArray(loop)) draft.recipe('prepull', { images: texts(loop) }, place);
  else if (file !== undefined) draft.recipe('prepull', { lists: [join(role, 'files', file)] }, place);
  else skip(draft, task, 'the list of images is not plain');
}

function copy(draft: Draft, task: Task): void {
  const { args, role } = task;
  const [source, to] = [text(args['src']), text(args['dest'])];
  // Written by the recipe of the same name.
  if (to === '/etc/watchdog.conf' && draft.get('recipes.watchdog') !== undefined) return;
  if (task.module === 'template') return skip(draft, task, 'templates are not filled in');
  if (source === undefined || to === undefined || !to.startsWith('/') || `${source}${to}`.includes('{{')) {
    return skip(draft, task, 'wants a file of the role and an absolute path');
  }
  const mode = text(args['mode']);
  draft.add('provision', {
    file: source.startsWith('/') ? source : join(role, 'files', source),
    to: to.endsWith('/') ? `${to}${source.split('/').at(-1)}` : to,
    ...(mode !== undefined && /^0[0-7]{3}$/.test(mode) && mode !== '0644' ? { mode } : {}),
  });
}

function command(draft: Draft, task: Task): void {
  const { args } = task;
  const line = text(args['cmd']) ?? text(args['_']) ?? texts(args['argv']).join(' ');
  if (line === '' || line.includes('{{')) return skip(draft, task, 'only Ansible knows the command');
  const creates = text(args['creates']) ?? text(record(task.raw['args'])['creates']);
  draft.add('provision', {
    shell: line.endsWith('\n') ? line : `${line}\n`,
    name: task.name,
    ...(creates === undefined ? {} : { unless: `test -e ${creates}` }),
  });
}

function service(draft: Draft, task: Task): void {
  const { args } = task;
  const unit = text(args['name']);
  if (unit === undefined || unit.includes('{{')) return skip(draft, task, 'only Ansible knows the unit');
  if (/^(qemu-guest-agent|watchdog|containerd|crio|cri-o|kubelet)(\.service)?$/.test(unit)) return;
  if (args['enabled'] === true) draft.add('provision', { shell: `systemctl enable ${unit}\n`, name: task.name });
  else skip(draft, task, 'services are started by the boot of the finished image');
}

function skip(draft: Draft, task: Task, why: string): void {
  draft.note(task.place, `task ${JSON.stringify(task.name)}`, why);
}

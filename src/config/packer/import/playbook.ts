import { dirname, join, relative } from 'node:path';
import { parseConfig } from '../../document.ts';
import { readSource } from '../../source-file.ts';
import { readAnsibleVars } from '../ansible-vars.ts';
import type { Draft } from './draft.ts';
import { type Part, record, text, texts } from './template.ts';

/** A task of Ansible, and where it stands. */
export interface Task {
  readonly module: string;
  /** Its arguments; under `_` when they are one text. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly place: string;
  readonly name: string;
  /** The whole of it. */
  readonly raw: Readonly<Record<string, unknown>>;
  /** Folder of the role it belongs to, relative to the template. */
  readonly role: string;
}

const KEYWORDS =
  /^(name|when|become|become_user|loop|loop_control|with_\w+|register|notify|tags|vars|environment|retries|delay|until|changed_when|failed_when|ignore_errors|no_log|args|block|rescue|always|delegate_to|run_once|check_mode|diff|listen|any_errors_fatal|throttle|timeout)$/;

/** Reads the tasks of a playbook and of its roles beside it. What is not there, or comes from a collection, is noted. */
export async function readPlaybook(draft: Draft, part: Part, root: string, label: string): Promise<readonly Task[]> {
  const name = text(part.settings['playbook_file']) ?? texts(part.settings['playbook_files'])[0];
  if (name === undefined) return [];
  const path = join(root, name);
  const plays = await readYaml(draft, path, join(dirname(label), name), part.place);
  const tasks: Task[] = [];
  for (const play of Array.isArray(plays?.value) ? plays.value.map(record) : []) {
    const where = plays?.place ?? part.place;
    for (const kind of ['pre_tasks', 'tasks', 'post_tasks', 'handlers']) {
      tasks.push(...tasksIn(play[kind], where, dirname(relative(root, path))));
    }
    for (const entry of Array.isArray(play['roles']) ? play['roles'] : []) {
      const role = text(entry) ?? text(record(entry)['role']) ?? text(record(entry)['name']) ?? '';
      tasks.push(...(await readRole(draft, role, join(dirname(path), 'roles', role), root, label, where)));
    }
  }
  return tasks;
}

async function readRole(
  draft: Draft,
  role: string,
  folder: string,
  root: string,
  label: string,
  place: string,
): Promise<readonly Task[]> {
  if (/^\w+\.\w+\.\w+$/.test(role)) {
    draft.note(
      place,
      `role ${role}`,
      'comes from a collection; recipes install runtime and Kubernetes, the rest belongs under provision',
    );
    return [];
  }
  for (const file of ['main.yml', 'main.yaml']) {
    const path = join(folder, 'tasks', file);
    const shown = join(dirname(label), relative(root, path));
    const read = await readSource(path, shown);
    if (!('text' in read)) continue;
    const document = parseConfig(read.text, shown);
    if (document.problems.length > 0) break;
    const list: readonly unknown[] = Array.isArray(document.value) ? document.value : [];
    return list.flatMap((entry, index) => tasksIn([entry], document.locate([index, 'name'], 'key'), relative(root, folder)));
  }
  draft.note(place, `role ${role}`, `${join(relative(root, folder), 'tasks', 'main.yml')} cannot be read`);
  return [];
}

async function readYaml(
  draft: Draft,
  path: string,
  label: string,
  place: string,
): Promise<{ value: unknown; place: string } | undefined> {
  const read = await readSource(path, label);
  if ('problem' in read) {
    draft.note(place, 'playbook_file', `${label} ${read.problem.message}`);
    return undefined;
  }
  const document = parseConfig(read.text, label);
  for (const problem of document.problems) draft.note(problem.source ?? label, 'playbook', problem.message);
  return { value: document.value, place: document.locate([], 'value') };
}

function tasksIn(value: unknown, place: string, role: string): readonly Task[] {
  return (Array.isArray(value) ? value : []).map(record).flatMap((raw): readonly Task[] => {
    if (raw['block'] !== undefined) return tasksIn(raw['block'], place, role);
    const module = Object.keys(raw).find((key) => !KEYWORDS.test(key));
    if (module === undefined) return [];
    const given = raw[module];
    const args = typeof given === 'string' ? { _: given, ...Object.fromEntries(readAnsibleVars(given) ?? []) } : record(given);
    return [{ module: module.split('.').at(-1) ?? module, args, place, name: text(raw['name']) ?? module, raw, role }];
  });
}

/** Extra variables on Ansible's command line. */
export function extraVariables(part: Part): readonly (readonly [string, string])[] {
  const words = texts(part.settings['extra_arguments']);
  return words.flatMap((word, index) => {
    const inline = /^(?:--extra-vars|-e)=(.*)$/s.exec(word)?.[1];
    const value = inline ?? (word === '--extra-vars' || word === '-e' ? words[index + 1] : undefined);
    return value === undefined ? [] : (readAnsibleVars(value) ?? []);
  });
}

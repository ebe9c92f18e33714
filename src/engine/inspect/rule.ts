import type { GuestFiles } from './guest-files.ts';

/** What a rule found. No problems: the rule holds. */
interface Finding {
  readonly problems: readonly string[];
  /** What was looked at, one line, shown when the rule holds. */
  readonly seen: string;
}

/** One thing that must not ship, judged from the files of the finished disk alone. */
export interface Rule {
  /** `inspect/…` of the check. */
  readonly name: string;
  /** What holds in a good image, for people. */
  readonly title: string;
  /** `warning`: worth saying, but no reason to refuse the image. */
  readonly severity: 'failure' | 'warning';
  /** `builder` is the account the build logged in with. */
  readonly judge: (files: GuestFiles, builder: string) => Promise<Finding>;
}

/** Lines of a configuration file without comments and blank lines; none when it is missing. */
export async function settings(files: GuestFiles, path: string, comment = '#'): Promise<readonly string[]> {
  return ((await files.read(path)) ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith(comment));
}

/** Records of a colon-separated file such as passwd(5); none when it is missing. */
export async function records(files: GuestFiles, path: string): Promise<readonly (readonly string[])[]> {
  return ((await files.read(path)) ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':'));
}

/** Paths in `directory` whose name matches. */
export async function entries(files: GuestFiles, directory: string, pattern = /./): Promise<readonly string[]> {
  return (await files.list(directory)).filter((name) => pattern.test(name)).map((name) => `${directory}/${name}`);
}

/** Those of `paths` that are there and not empty files. */
export async function present(files: GuestFiles, paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const stat = await files.stat(path);
    if (stat !== undefined && !(stat.kind === 'file' && stat.bytes === 0)) found.push(path);
  }
  return found;
}

/** Home folders: what passwd names and whatever else is below /home. */
export async function homes(files: GuestFiles): Promise<readonly string[]> {
  const named = (await records(files, '/etc/passwd')).map((fields) => fields[5] ?? '');
  const all = new Set(['/root', ...named, ...(await entries(files, '/home'))]);
  return [...all].filter((home) => home.startsWith('/') && home !== '/');
}

/** Every problem that `look` finds, over all `items`. */
export async function collect<T>(items: readonly T[], look: (item: T) => Promise<readonly string[]>): Promise<readonly string[]> {
  const found: string[] = [];
  for (const item of items) found.push(...(await look(item)));
  return found;
}

import { type Arch, maskUrl } from '../../core/index.ts';
import type { RepositorySource, SourceList, Unwatched } from './source.ts';

/** One combination of archive and suite, as sources.list(5) has it. */
export interface AptEntry {
  readonly uri: string;
  /** `trixie-security`; ends in a slash for a flat repository. */
  readonly suite: string;
  readonly components: readonly string[];
  /** Debian names of architectures; empty means the guest's own. */
  readonly architectures: readonly string[];
}

/** Reads the one-line style of sources.list(5); source packages and what it does not understand are left out. */
export function parseList(text: string): readonly AptEntry[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?((?:[^\s[]|\[[^\]]*\])+)\s+(\S+)([^#]*)/.exec(line);
    const [, options = '', uri, suite, rest = ''] = match ?? [];
    if (uri === undefined || suite === undefined) return [];
    const architectures = /(?:^|\s)arch\s*=\s*(\S+)/.exec(options)?.[1]?.split(',') ?? [];
    return [{ uri, suite, components: words(rest), architectures }];
  });
}

/** Reads the deb822 style of sources.list(5): paragraphs of fields, continued on lines that begin with a blank. */
export function parseDeb822(text: string): readonly AptEntry[] {
  return paragraphs(text).flatMap((fields) => {
    const list = (name: string) => words(fields.get(name) ?? '');
    if (!list('types').includes('deb') || /^(no|false|without|off|disable|0)$/i.test(fields.get('enabled') ?? '')) return [];
    const [components, architectures] = [list('components'), list('architectures')];
    return list('uris').flatMap((uri) => list('suites').map((suite) => ({ uri, suite, components, architectures })));
  });
}

/**
 * The repositories of apt entries, one per index. `lists` are files of the guest that mirror+file: names (apt-transport-mirror(1)). What
 * lies in the guest's own file system is part of its base, so file: and copy: are not followed.
 */
export function aptRepositories(entries: readonly AptEntry[], arch: Arch, lists: ReadonlyMap<string, string>): SourceList {
  const unwatched: Unwatched[] = [];
  const byIndex = new Map<string, RepositorySource>();
  for (const entry of entries.filter(({ architectures }) => architectures.length === 0 || architectures.includes(arch))) {
    const fill = (part: string) => part.replaceAll('$(ARCH)', arch);
    const mirrors = mirrorsOf(fill(entry.uri), lists);
    if (mirrors === undefined) {
      unwatched.push({ what: `${maskUrl(entry.uri)} ${entry.suite}`, why: 'this kind of address is not read' });
      continue;
    }
    if (mirrors.length === 0) continue;
    const folder = folderOf(fill(entry.suite));
    const id = JSON.stringify([mirrors, folder]);
    const components = [...(byIndex.get(id)?.apt?.components ?? []), ...entry.components];
    byIndex.set(id, {
      paths: ['InRelease', 'Release'].map((name) => `${folder}${name}`),
      mirrors,
      apt: { arch, components: [...new Set(components)].sort() },
    });
  }
  return { sources: [...byIndex.values()], unwatched };
}

/** The folders behind a URI; none for what is in the guest, undefined for what is not understood. */
function mirrorsOf(uri: string, lists: ReadonlyMap<string, string>): readonly string[] | undefined {
  if (/^https?:/.test(uri)) return [uri];
  if (/^(file|copy):/.test(uri)) return [];
  const text = lists.get(mirrorFile(uri) ?? '');
  if (text === undefined) return undefined;
  // Behind a tab there may be a priority and such.
  const urls = text.split('\n').flatMap((line) => /^\s*(https?:\S+)/.exec(line)?.[1] ?? []);
  return urls.length === 0 ? undefined : urls;
}

function mirrorFile(uri: string): string | undefined {
  return /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
}

/** `dists/trixie/`, or the suite itself where a repository is flat; empty for the top. */
function folderOf(suite: string): string {
  if (!suite.endsWith('/')) return `dists/${suite}/`;
  const path = suite.split('/').filter((part) => part !== '' && part !== '.');
  return path.map((part) => `${part}/`).join('');
}

function paragraphs(text: string): readonly ReadonlyMap<string, string>[] {
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith('#'));
  return lines
    .join('\n')
    .split(/\n[ \t]*\n/)
    .map((paragraph) => {
      const fields = paragraph.replaceAll(/\n[ \t]+/g, ' ').split('\n');
      return new Map(
        fields.flatMap((field): (readonly [string, string])[] => {
          const [, name, value = ''] = /^([\w-]+):(.*)$/.exec(field) ?? [];
          return name === undefined ? [] : [[name.toLowerCase(), value.trim()]];
        }),
      );
    });
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

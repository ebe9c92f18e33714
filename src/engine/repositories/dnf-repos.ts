import { type Arch, maskUrl } from '../../core/index.ts';
import type { RepositorySource, SourceList, Unwatched } from './source.ts';

/** One section of a .repo file (dnf.conf(5)), its variables not yet filled in. */
export interface DnfRepo {
  readonly id: string;
  readonly baseurls: readonly string[];
  readonly mirrorlist?: string;
  readonly metalink?: string;
}

const INDEX = 'repodata/repomd.xml';

/** Reads the enabled repositories of a .repo file: sections of options, continued on lines that begin with a blank. */
export function parseRepos(text: string): readonly DnfRepo[] {
  return sections(text).flatMap(({ id, options }) => {
    if (id === 'main' || /^(0|no|false|off)$/i.test(options.get('enabled') ?? '')) return [];
    const baseurls = (options.get('baseurl') ?? '').split(/[\s,]+/).filter((url) => url !== '');
    const [mirrorlist = '', metalink = ''] = [options.get('mirrorlist'), options.get('metalink')];
    const repo = { id, baseurls, ...(mirrorlist === '' ? {} : { mirrorlist }), ...(metalink === '' ? {} : { metalink }) };
    return baseurls.length > 0 || mirrorlist !== '' || metalink !== '' ? [repo] : [];
  });
}

/** Where repositories' indexes are. A base URL comes before lists of mirrors, as with librepo; what lies in the guest itself is part of its base. */
export function dnfRepositories(repos: readonly DnfRepo[], variables: ReadonlyMap<string, string>): SourceList {
  const unwatched: Unwatched[] = [];
  const sources = repos.flatMap((repo): readonly RepositorySource[] => {
    const fill = (text: string) => fillIn(text, variables);
    const urls = repo.baseurls.map(fill);
    const remote = urls.filter((url) => /^https?:/.test(url));
    if (remote.length > 0) return [{ paths: [INDEX], mirrors: remote }];
    if (urls.some((url) => /^file:|^\//.test(url))) return [];
    const list = fill(repo.metalink ?? repo.mirrorlist ?? '');
    if (/^https?:/.test(list)) return [{ paths: [INDEX], mirrors: { url: list, name: repo.id } }];
    unwatched.push({ what: `${repo.id} at ${maskUrl(urls[0] ?? list)}`, why: 'this kind of address is not read' });
    return [];
  });
  return { sources, unwatched };
}

/**
 * Variables of dnf.conf(5): those of files in /etc/dnf/vars (by name), the architecture, and the release: what a package provides, which for
 * Enterprise Linux is the major version of os-release.
 */
export function dnfVariables(osRelease: string, files: ReadonlyMap<string, string>, arch: Arch): ReadonlyMap<string, string> {
  const machine = arch === 'amd64' ? 'x86_64' : 'aarch64';
  const version = /^VERSION_ID="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? '';
  const [major = '', minor = ''] = version.split('.');
  const own = [...files].map(([name, text]) => [name.toLowerCase(), text.trim().split('\n')[0] ?? ''] as const);
  const release = own.find(([name]) => name === 'releasever')?.[1] ?? major;
  return new Map([
    ['arch', machine],
    ['basearch', machine],
    ['releasever_major', release.split('.')[0] ?? ''],
    ['releasever_minor', release.split('.')[1] ?? minor],
    ...own,
    ['releasever', release],
  ]);
}

/** Replaces `$name` and `${name}`; what nobody knows stays, as with dnf. */
export function fillIn(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    return variables.get((braced ?? bare ?? '').toLowerCase()) ?? whole;
  });
}

function sections(text: string): readonly { readonly id: string; readonly options: ReadonlyMap<string, string> }[] {
  const found: { readonly id: string; readonly options: Map<string, string> }[] = [];
  let last = '';
  for (const line of text.split(/\r?\n/)) {
    const head = /^\[([^\]]+)\]/.exec(line)?.[1];
    const options = found.at(-1)?.options;
    const [, name, value = ''] = /^([\w.-]+)\s*[=:](.*)$/.exec(line) ?? [];
    if (head !== undefined) found.push({ id: head.trim(), options: new Map() });
    else if (/^\s*([#;]|$)/.test(line)) continue;
    else if (/^\s/.test(line)) options?.set(last, `${options.get(last) ?? ''} ${line.trim()}`);
    else if (name !== undefined) {
      last = name.toLowerCase();
      options?.set(last, value.trim());
    }
  }
  return found;
}

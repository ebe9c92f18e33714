import { isImmutable } from './content-kind.ts';
import { forProxy } from './target.ts';

/** An address in a mirrorlist (one per line) or a metalink (RFC 5854's forerunner, `<url …>address</url>`). */
const ADDRESS = /^(\s*|.*<url\b[^>]*>\s*)(https?:\/\/[^\s<]+)/gm;
const PREFERENCE = /\bpreference="\d+"/;

/** The mirrors' addresses, best first as far as their order says. */
export function mirrorsOf(list: string): readonly string[] {
  return [...list.matchAll(ADDRESS)].flatMap((match) => match[2] ?? []);
}

/**
 * The list as the guest gets it: every address leads through the proxy, and `preferred` comes first. Servers shuffle their lists, and a
 * package from another mirror would be another file to us.
 */
export function rewriteMirrors(list: string, preferred: string | undefined): string {
  const isMetalink = list.includes('<metalink');
  const ordered = isMetalink ? list : preferLine(list, preferred);
  return ordered.replace(ADDRESS, (_whole, before: string, address: string) => {
    const rank = isMetalink ? before.replace(PREFERENCE, `preference="${address === preferred ? 100 : 50}"`) : before;
    return `${preferred === undefined ? before : rank}${forProxy(address)}`;
  });
}

function preferLine(list: string, preferred: string | undefined): string {
  const lines = list.split('\n');
  const at = lines.findIndex((line) => line.trim() === preferred);
  return at <= 0 ? list : [lines[at], ...lines.toSpliced(at, 1)].join('\n');
}

/** Mirrors that hold the same files, as far as this build was told. */
export class MirrorGroups {
  readonly #mainOf = new Map<string, string>();

  /** `main` is one of the mirrors: the one that the store knows their files by. */
  add(mirrors: readonly string[], main: string): void {
    for (const mirror of mirrors) this.#mainOf.set(baseOf(mirror), baseOf(main));
  }

  /** The address by which a file that never changes is known, whichever mirror has it. */
  keyOf(url: string): string {
    if (!isImmutable(url)) return url;
    for (let end = url.lastIndexOf('/'); end > 'https://'.length; end = url.lastIndexOf('/', end - 1)) {
      const main = this.#mainOf.get(url.slice(0, end + 1));
      if (main !== undefined) return `${main}${url.slice(end + 1)}`;
    }
    return url;
  }
}

/** A metalink names the index, a mirrorlist the folder above it. */
function baseOf(mirror: string): string {
  const folder = mirror.replace(/repodata\/repomd\.xml$/, '');
  return folder.endsWith('/') ? folder : `${folder}/`;
}

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

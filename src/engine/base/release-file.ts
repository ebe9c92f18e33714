/** What a repository's Release file says (wiki.debian.org/DebianRepository/Format). */
export interface ReleaseFile {
  readonly origin: string | undefined;
  /** `stable-security` */
  readonly suite: string | undefined;
  /** `trixie-security` */
  readonly codename: string | undefined;
  /** Seconds since the epoch. */
  readonly date: number | undefined;
  /** SHA-256 of the files it vouches for: `main/binary-amd64/Packages` → hex. */
  readonly sha256: ReadonlyMap<string, string>;
}

/** Reads Release, or InRelease with its signature around it; the signature is apt's to check. */
export function parseRelease(text: string): ReleaseFile {
  const lines = text.split('\n');
  const field = (name: string) =>
    lines
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2)
      .trim();
  const date = Date.parse(field('Date') ?? '');
  return {
    origin: field('Origin'),
    suite: field('Suite'),
    codename: field('Codename'),
    date: Number.isNaN(date) ? undefined : date / 1000,
    sha256: new Map(sha256Section(lines)),
  };
}

function* sha256Section(lines: readonly string[]): Generator<[string, string]> {
  const start = lines.findIndex((line) => line.trimEnd() === 'SHA256:');
  if (start === -1) return;
  for (const line of lines.slice(start + 1)) {
    const match = /^ ([0-9a-f]{64}) +\d+ (\S+)$/.exec(line.trimEnd());
    if (match?.[1] === undefined || match[2] === undefined) return;
    yield [match[2], match[1]];
  }
}

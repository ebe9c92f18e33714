import type { ErrorCode } from '../core/index.ts';

/** Why a package manager failed, as far as its output tells. */
export interface PackageFailure {
  readonly code: ErrorCode;
  /** What was wrong: `the package repository closed cannot be read: …`. */
  readonly message: string;
  readonly hint: string;
  /** Whether the same may go well when it is tried again: always, only where the host's package cache was at fault, or never. */
  readonly again: 'always' | 'uncached' | 'never';
}

/** The first that fits counts: what is wrong with a repository also makes packages of it unknown. */
const KINDS: readonly ((output: string) => PackageFailure | undefined)[] = [
  diskFull,
  locked,
  badKey,
  unreachable,
  noVersion,
  conflict,
];

/** Reads what apt, dnf, yum, tdnf or zypper said last. Undefined for what is none of the usual reasons. */
export function packageFailure(lines: readonly string[]): PackageFailure | undefined {
  const output = lines.join('\n');
  for (const kind of KINDS) {
    const failure = kind(output);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/** Any program of the guest may meet it. */
export function diskFull(output: string): PackageFailure | undefined {
  const where = first(output, [
    /You don't have enough free space in (\S+?)\.?$/m,
    /needs \S+ (?:more space )?on the (\S+) filesystem/,
    /more space needed on the (\S+) filesystem/,
    /(Insufficient disk space at cache directory)/,
    /(No space left on device)/,
    /(not enough (?:free )?(?:disk )?space)/i,
  ]);
  if (where === undefined) return undefined;
  return {
    code: 'KIB_GUEST_DISK_FULL',
    message: where.startsWith('/') ? `the guest’s disk is full: ${where}` : 'the guest’s disk is full',
    hint: 'set a larger disk: in the image file',
    again: 'never',
  };
}

function locked(output: string): PackageFailure | undefined {
  const holder = first(output, [
    // The last one that apt waited for counts.
    /[\s\S]*It is held by (process \d+ \([^)]*\))/,
    /package database is locked by (process \d+ \(.*\))$/m,
    /System management is locked by the application with (pid \d+ \([^)]*\))/,
    /Another app is currently holding the yum lock[\s\S]*?PID:? *(\d+)/,
  ]);
  const isLocked =
    holder !== undefined ||
    /Unable to acquire the dpkg frontend lock|Could not get lock|Failed to obtain the transaction lock|Failed to obtain rpm transaction lock/.test(
      output,
    );
  // apt says that it waits also when it got the lock in the end.
  if (!isLocked || !/^E: .*lock|^Error: .*lock|is locked by|Failed to obtain|yum lock/m.test(output)) return undefined;
  return {
    code: 'KIB_PACKAGE_LOCK',
    message: `another program changes packages, and went on for too long: ${holder ?? 'nobody knows which'}`,
    hint: 'stop what changes packages by itself in the base, or build with --on-error keep and look',
    again: 'never',
  };
}

function badKey(output: string): PackageFailure | undefined {
  const what = first(output, [
    /The repository '([^']*)' is not signed/,
    /GPG error: (\S+ \S+)/,
    /Failing package is: (\S+)/,
    /Public key for (\S+?)(?:\.rpm)? is not installed/,
    /repomd\.xml GPG signature verification error: (.*)/,
    /(?:package|Package) (\S+) is not signed/,
    /Failed to (?:download metadata for repo '[^']*': repomd\.xml GPG).*(signature)/,
    /Signature verification failed for (?:file )?'?([^'\n]*)/,
    /Error\(15\d\d\) *: *(.*(?:key|signed|signature).*)/i,
    /(GPG check FAILED|BADSIG|Bad GPG signature|GPG key retrieval failed)/,
  ]);
  if (what === undefined) return undefined;
  const missing = first(output, [/NO_PUBKEY ([0-9A-F]+)/, /Missing key ([0-9A-F]+)/]);
  return {
    code: 'KIB_PACKAGE_KEY',
    message: `nothing vouches for ${what}${missing === undefined ? '' : `: it is signed by ${missing}, which is not trusted`}`,
    hint: 'give the repository the key that signs it now (key:), and make sure that it is the owner’s',
    again: 'uncached',
  };
}

function unreachable(output: string): PackageFailure | undefined {
  const what = first(output, [
    /^(?:E|Error): Failed to fetch (\S+)/m,
    /The repository '([^']*)' (?:does not have|no longer has) a Release file/,
    /Failed to download metadata for repo '([^']*)'/,
    /Cannot retrieve repository metadata \(repomd\.xml\) for repository: ([^.\n]+)/,
    /failure: \S+ from (\S+): \[Errno 256\]/,
    /Cannot find a valid baseurl for repo: (\S+)/,
    /Failed to synchronize cache for repo '([^']*)'/,
    /Valid metadata not found at specified URL[\s\S]*?(?:Repository|repository) '([^']*)'/,
    /Repository '([^']*)' is invalid/,
    /Cannot download (\S+): All mirrors were tried/,
    /Error downloading packages:\s*(\S+):/,
  ]);
  if (what === undefined) return undefined;
  const why = first(output, [
    /^(?:E|Error): Failed to fetch \S+ +(.*)$/m,
    /(?:Curl error \(\d+\): )(.*?)(?: for \S+| \[|$)/m,
    /(Status code: \d+)/,
    /^ +(\d{3} +\S.*?) \[IP/m,
    /\[Errno 14\] (.*)/,
  ]);
  return {
    code: 'KIB_PACKAGE_REPOSITORY',
    message: `the package repository ${what} cannot be read${why === undefined ? '' : `: ${why.trim()}`}`,
    hint: 'is the address right, and does the guest reach it? recipes.setup has mirror and proxy',
    again: 'always',
  };
}

function noVersion(output: string): PackageFailure | undefined {
  const [, version, name] = /Version '([^']*)' for '([^']*)' was not found/.exec(output) ?? [];
  const asked =
    name ??
    first(output, [
      /Unable to locate package (\S+)/,
      /Package '?(\S+?)'? has no installation candidate/,
      /No match for argument: (\S+)/,
      /No package (\S+) available/,
      /Not tolerating missing names on install[\s\S]*?(\S+)$/m,
      /^(\S+) package not found or not installed/m,
      /No provider of '([^']*)' found/,
      /Package '([^']*)' not found/,
    ]);
  if (asked === undefined) return undefined;
  const known = [...output.matchAll(/^there is (\S+) (\S+)$/gm)].filter(([, other = '']) => isOf(asked, other));
  const versions = [...new Set(known.map(([, , there = '']) => there))];
  const wanted = version === undefined ? asked : `${asked} in version ${version}`;
  return {
    code: 'KIB_PACKAGE_VERSION',
    message: `no repository has ${wanted}${versions.length === 0 ? '' : `; there is ${versions.join(', ')}`}`,
    hint:
      versions.length === 0
        ? 'is the name right? add the repository that has it (recipes.setup.repositories)'
        : 'take one of those',
    again: 'uncached',
  };
}

/** `jq-9.9` is of jq, not of jq-devel. */
function isOf(asked: string, name: string): boolean {
  return asked === name || asked.startsWith(`${name}-`) || asked.startsWith(`${name}=`);
}

function conflict(output: string): PackageFailure | undefined {
  const what = first(output, [
    /^ +Problem(?: \d+)?: (?:(?:conflicting requests|problem with installed package .*)\n +- )?(.*)$/m,
    /unmet dependencies:\n ?(.*)$/m,
    /Unsatisfied dependencies:\n ?(.*)$/m,
    /Reached two conflicting (?:assignments|decisions):\n([\s\S]*?)$/m,
    /^ *(file \S+ (?:from install of|conflicts).*)$/m,
    /(trying to overwrite '[^']*', which is also in package .*)$/m,
    /^Error: (Package: .*)$/m,
    /^Problem: (.*)$/m,
    /^(?:E|Error): (Unable to correct problems.*|Packages were downgraded.*|Held packages were changed.*)$/m,
  ]);
  if (what === undefined) return undefined;
  return {
    code: 'KIB_PACKAGE_CONFLICT',
    message: `packages do not go together: ${what.trim()}`,
    hint: 'leave one of them out, or pin versions that fit each other',
    again: 'uncached',
  };
}

/** What the first pattern that fits has in parentheses. */
function first(text: string, patterns: readonly RegExp[]): string | undefined {
  for (const pattern of patterns) {
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}

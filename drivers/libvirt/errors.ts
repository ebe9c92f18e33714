import { KibError } from '../../src/core/index.ts';

/** What virsh said, as far as anybody acts on it; `details.failure` of the error. */
export type VirshFailure = 'not-found' | 'taken' | 'busy' | 'full' | 'not-running' | 'connection' | 'other';

export interface VirshEnd {
  /** Without the program and the URI. */
  readonly args: readonly string[];
  readonly stderr: string;
  readonly exitCode: number | undefined;
  readonly place: string;
}

/** By libvirt's messages in English (src/util/virerror.c of libvirt), since virsh has one exit code for everything. */
const SIGNS: readonly (readonly [RegExp, VirshFailure])[] = [
  [/failed to connect to the hypervisor|Failed to connect socket|authentication (failed|unavailable|cancelled)/i, 'connection'],
  [/No space left on device|Disk quota exceeded|Not enough free space/i, 'full'],
  [
    /(domain|volume|pool|network) not found|no (domain|storage vol|storage pool|network) with matching|failed to get (domain|vol|pool|network)/i,
    'not-found',
  ],
  [/domain is not running/i, 'not-running'],
  [/already exists|exists already|is already in use|already in use/i, 'taken'],
  [/is still being allocated|is still in use|in use by another|is being (built|uploaded)/i, 'busy'],
];

/** The error for a virsh that failed. */
export function virshError({ args, stderr, exitCode, place }: VirshEnd): KibError {
  if (exitCode === 127) {
    return new KibError('KIB_TOOL_MISSING', `virsh is not installed on ${place}`, {
      hint: 'install it there (Debian package: libvirt-clients)',
    });
  }
  const said = stderr
    .trim()
    .split('\n')
    .map((line) => line.replace(/^error: /, ''))
    .filter((line) => line !== '')
    .join('; ');
  const failure = SIGNS.find(([pattern]) => pattern.test(stderr))?.[1] ?? 'other';
  const details = { failure, virsh: args.slice(0, 2) };
  if (failure === 'connection') {
    return new KibError('KIB_LIBVIRT_CONNECT', `libvirt of ${place} cannot be used: ${said}`, {
      hint: /permission denied|authentication/i.test(stderr)
        ? 'the user must be in group libvirt of that host: sudo usermod -aG libvirt <user>'
        : 'is libvirtd (or virtqemud) running there, and is the URI right?',
      details,
    });
  }
  if (failure === 'full') {
    return new KibError('KIB_LIBVIRT_POOL_FULL', `the storage pool on ${place} is full: ${said}`, { hint: FULL_HINT, details });
  }
  return new KibError('KIB_LIBVIRT', `virsh ${args[0]} failed on ${place}: ${said === '' ? `exit code ${exitCode}` : said}`, {
    details,
  });
}

export const FULL_HINT =
  'free some space there (bases that no build needs any more are kib-base-*.qcow2), or choose another pool';

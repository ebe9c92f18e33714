import { describe, expect, it } from 'vitest';
import {
  detectManager,
  type HostFacts,
  installCommands,
  installMissing,
  installUntilNothingNew,
  wantedPackages,
} from '../../../src/cli/host-packages.ts';
import { type Finding, isKibError } from '../../../src/core/index.ts';
import { CommandError } from '../../../src/io/process.ts';

const host = (programs: readonly string[], osRelease = '', platform: NodeJS.Platform = 'linux'): HostFacts => ({
  platform,
  osRelease,
  has: (program) => Promise.resolve(programs.includes(program)),
});

const missing = (name: string, apt: readonly string[]): Finding => ({
  name,
  status: 'missing',
  detail: 'not installed',
  packages: { apt, dnf: [`${name}-rpm`] },
});
const findings: readonly Finding[] = [
  missing('qemu', ['qemu-utils', 'qemu-system-x86']),
  { ...missing('xorriso', ['xorriso', 'qemu-utils']), status: 'warning' },
  { name: 'kvm', status: 'warning', detail: 'emulated' },
  { ...missing('gpgv', ['gpgv']), status: 'ok' },
];

describe('detectManager', () => {
  it.each([
    ['Debian', 'ID=debian\n', ['apt-get'], 'apt'],
    ['Ubuntu with a stray dnf', 'ID=ubuntu\nID_LIKE=debian\n', ['apt-get', 'dnf'], 'apt'],
    ['Rocky with a stray apt-get', 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', ['apt-get', 'dnf'], 'dnf'],
    ['an unknown system with dnf', 'ID=plan9\n', ['dnf'], 'dnf'],
    ['Linuxbrew alone', '', ['brew'], 'brew'],
    ['nothing', 'ID=alpine\n', ['apk'], undefined],
  ])('%s', async (_, osRelease, programs, expected) => {
    expect(await detectManager(host(programs, osRelease))).toBe(expected);
  });

  it('knows a Mac by its platform', async () => {
    expect(await detectManager(host(['brew', 'apt-get'], '', 'darwin'))).toBe('brew');
  });
});

describe('commands', () => {
  it('asks for each package once', () => {
    expect(wantedPackages(findings, 'apt')).toEqual(['qemu-system-x86', 'qemu-utils', 'xorriso']);
    expect(wantedPackages(findings, 'brew')).toEqual([]);
  });

  it('goes through sudo only where it must', () => {
    const argv = (isRoot: boolean, manager: 'apt' | 'dnf' | 'brew') =>
      installCommands(manager, ['a', 'b'], { isRoot }).map((command) => command.argv.join(' '));
    expect(argv(true, 'apt')).toEqual([
      'env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 update',
      'env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends a b',
    ]);
    expect(argv(false, 'dnf')).toEqual(['sudo dnf install -y --setopt=strict=0 a b']);
    expect(argv(false, 'brew')).toEqual(['brew install a b']);
  });
});

describe('installMissing', () => {
  const debian = host(['apt-get', 'sudo'], 'ID=debian');

  async function install(options: { facts?: HostFacts; isRoot?: boolean; failing?: string; findings?: readonly Finding[] }) {
    const ran: string[] = [];
    const said: string[] = [];
    const result = await installMissing({
      findings: options.findings ?? findings,
      host: options.facts ?? debian,
      isRoot: options.isRoot ?? true,
      run: (argv) => {
        ran.push(argv.join(' '));
        const fails = options.failing !== undefined && argv.includes(options.failing);
        return fails ? Promise.reject(new CommandError(argv, 100, 'E: no luck', 'exited with 100')) : Promise.resolve();
      },
      say: (line) => said.push(line),
    }).catch((error: unknown) => error);
    return { ran, said, result };
  }

  it('runs and says what it runs', async () => {
    const { ran, said, result } = await install({});
    expect(result).toEqual(['qemu-system-x86', 'qemu-utils', 'xorriso']);
    expect(said).toEqual(ran.map((command) => `$ ${command}`));
    expect(ran).toHaveLength(2);
  });

  it('does nothing when nothing is missing', async () => {
    const { ran, result } = await install({ findings: [{ name: 'kvm', status: 'warning', detail: 'emulated' }] });
    expect({ ran, result }).toEqual({ ran: [], result: [] });
  });

  it('goes on when the package lists cannot be refreshed', async () => {
    const { ran, result } = await install({ failing: 'update' });
    expect(ran).toHaveLength(2);
    expect(isKibError(result)).toBe(false);
  });

  it.each([
    ['the installation fails', { failing: 'install' }, /apt could not install qemu-system-x86/, /^env DEBIAN_FRONTEND/],
    ['there is no package manager', { facts: host([]) }, /none of apt, dnf and brew/, /by hand: qemu, xorriso/],
    ['there is no sudo', { facts: host(['apt-get']), isRoot: false }, /only be installed by root/, /^as root: env .*apt-get/],
  ])('says what to type when %s', async (_, options, message, hint) => {
    const { result } = await install(options);
    expect(result).toMatchObject({
      code: 'KIB_INSTALL_FAILED',
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(hint) as string,
    });
  });
});

describe('installUntilNothingNew', () => {
  it('installs what only shows once something else is there, and tries nothing twice', async () => {
    const ran: string[] = [];
    const checks = await installUntilNothingNew(
      () =>
        Promise.resolve([
          ran.length === 0
            ? { findings: [missing('QEMU', ['qemu-system-x86'])] }
            : { findings: [missing('firmware', ['ovmf']), missing('QEMU', ['qemu-system-x86'])] },
        ]),
      {
        host: host(['apt-get'], 'ID=debian'),
        isRoot: true,
        run: (argv) => {
          if (argv.includes('install')) ran.push(argv.at(-1) ?? '');
          return Promise.resolve();
        },
        say: () => {},
      },
    );
    expect(ran).toEqual(['qemu-system-x86', 'ovmf']);
    expect(checks.flatMap(({ findings }) => findings.map(({ name }) => name))).toEqual(['firmware', 'QEMU']);
  });
});

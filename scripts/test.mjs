// The README's second command: sets up whatever the tests need, runs them all, and ends with one line of counts.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must, root, setUp } from './setup.mjs';

// The rigs of drivers: libvirt's real daemon, which the tests start in namespaces of its own, the shell of an ESXi host, and a TPM for guests.
const RIGS = [
  'libvirt-daemon',
  'libvirt-daemon-driver-qemu',
  'libvirt-clients',
  'libvirt-daemon-config-network',
  'dnsmasq-base',
  'iptables',
  'iproute2',
  'netcat-openbsd',
  'busybox-static',
  'swtpm',
];
// Foreign judges: isoinfo, gpg, sshd, mkfs.xfs, shellcheck, apt-ftparchive, dnf, Packer. Only Debian is set up; elsewhere the tests that need them say so.
const JUDGES = [
  'genisoimage',
  'gnupg',
  'openssh-server',
  'xfsprogs',
  'shellcheck',
  'curl',
  'openssl',
  'apt-utils',
  'dnf',
  'createrepo-c',
  'rpm',
];
// Not every release of Debian has it.
const PERHAPS = ['packer'];

setUp();
if (spawnSync('apt-get', ['--version']).status === 0) {
  const known = PERHAPS.filter((name) => spawnSync('apt-cache', ['show', name]).status === 0);
  const missing = [...JUDGES, ...RIGS, ...known].filter(
    (name) => spawnSync('dpkg-query', ['-W', '-f', '${Status}', name]).stdout?.toString() !== 'install ok installed',
  );
  if (missing.length > 0 && process.getuid?.() === 0) {
    must('programs the tests judge with', ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...missing], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
}

const scratch = mkdtempSync(join(tmpdir(), 'kib-test-'));
const report = join(scratch, 'report.json');
const vitest = spawnSync(
  process.execPath,
  [
    `${root}node_modules/vitest/vitest.mjs`,
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);
let counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };
try {
  counts = JSON.parse(readFileSync(report, 'utf8'));
} catch (error) {
  console.error(`no test report: ${String(error)}`);
}
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${counts.numPassedTests} passed, ${counts.numFailedTests} failed, ${counts.numPendingTests} skipped`);
process.exit(vitest.status === 0 && counts.numPassedTests > 0 ? 0 : 1);

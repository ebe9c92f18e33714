import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { packageVersion } from '../src/cli/version.ts';

/** What the numbers were measured on, as rows of a table. */
export function describeMachine(accelerator: string): Readonly<Record<string, string>> {
  return {
    CPU: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
    Memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    System: `${osRelease()}, Linux ${release()}`,
    Guests: `2 virtual CPUs, 2 GiB, BIOS, accelerator ${accelerator}`,
    'kib-native': `${packageVersion()} on Node.js ${process.versions.node}`,
    QEMU: firstLine('qemu-system-x86_64', '--version'),
    Packer: firstLine('packer', 'version'),
    Ansible: firstLine('ansible', '--version'),
  };
}

function firstLine(program: string, ...args: readonly string[]): string {
  const { stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return (stdout ?? '').split('\n')[0]?.replace(/\s+/g, ' ').trim() ?? '';
}

function osRelease(): string {
  return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostFacts } from '../../../../drivers/qemu/facts.ts';
import { fingerprintOf } from '../../../../drivers/qemu/fingerprint.ts';
import { qemuOptionsSchema } from '../../../../drivers/qemu/options.ts';
import { GiB, type MachineSpec } from '../../../../src/core/index.ts';

const MACHINE: MachineSpec = { arch: 'amd64', firmware: 'uefi', cpus: 2, memoryBytes: 2 * GiB, diskBytes: 20 * GiB, x86Level: 1 };
const { signal } = new AbortController();

describe('the fingerprint of saved memory', () => {
  let dir: string;
  let facts: HostFacts;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'kib-fingerprint-'));
    writeFileSync(join(dir, 'code'), 'firmware');
    facts = {
      qemu: {
        path: '/usr/bin/qemu-system-x86_64',
        version: { major: 7, minor: 2 },
        fullVersion: '7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)',
        machineType: 'pc-q35-7.2',
        canSandbox: true,
      },
      uefi: { kind: 'flash', code: { path: join(dir, 'code'), format: 'raw' }, vars: { path: '/vars', format: 'raw' } },
      swtpm: undefined,
      acceleration: { accelerator: 'tcg', cpu: 'max', slowness: 8 },
    };
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const of = (options: object = {}, machine: Partial<MachineSpec> = {}, changed: Partial<HostFacts> = {}) =>
    fingerprintOf({ ...MACHINE, ...machine }, qemuOptionsSchema.parse(options), { ...facts, ...changed }, signal);

  it('says what it is made of', async () => {
    expect(await of()).toMatch(/^7\.2\.22 \(Debian 1:7\.2\+dfsg-7\+deb12u18\), pc-q35-7\.2, tcg max, devices [\da-f]{12}$/);
  });

  it.each([{ display: 'vnc', vncPort: 5907 }, { cache: 'none' }, { discard: false }, { sandbox: false }])(
    'does not depend on what the guest cannot see: %o',
    async (options) => {
      expect(await of(options)).toBe(await of());
    },
  );

  it.each([
    { diskInterface: 'scsi' },
    { networkModel: 'e1000' },
    { tpm: true },
    { watchdog: false },
    { args: ['-device', 'pvpanic'] },
  ])('depends on the devices: %o', async (options) => {
    expect(await of(options)).not.toBe(await of());
  });

  it.each([{ cpus: 3 }, { memoryBytes: 3 * GiB }, { diskBytes: 21 * GiB }])('depends on the machine: %o', async (machine) => {
    expect(await of({}, machine)).not.toBe(await of());
  });

  it('depends on the hypervisor, the accelerator and the firmware', async () => {
    const before = await of();
    expect(await of({}, {}, { qemu: { ...facts.qemu, fullVersion: '7.2.23' } })).not.toBe(before);
    expect(await of({}, {}, { acceleration: { accelerator: 'kvm', cpu: 'host', slowness: 1 } })).not.toBe(before);
    writeFileSync(join(dir, 'code'), 'other firmware');
    expect(await of()).not.toBe(before);
  });
});

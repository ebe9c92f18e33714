import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keptVerdict } from '../../../../../drivers/qemu/probe/kept.ts';
import type { Verdict } from '../../../../../drivers/qemu/probe/smoke-boot.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';

// What tells one host from another is the kernel's and the device's to say.
describe.skipIf(!existsSync('/dev/kvm'))('verdicts on accelerators', () => {
  let folder: string;
  let clock: FakeClock;
  let tries: string[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kib-probes-'));
    clock = new FakeClock();
    tries = [];
    writeFileSync(join(folder, 'qemu'), '');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const no: Verdict = { usable: false, reason: 'a test guest hung', hint: 'wait' };
  const boot = () => ({ qemu: join(folder, 'qemu'), arch: 'amd64', accelerator: 'kvm', cpu: 'host' }) as const;
  const ask = (given: { readonly isRenewed?: boolean; readonly cpu?: string; readonly verdict?: Verdict } = {}) =>
    keptVerdict(
      { folder, isRenewed: given.isRenewed ?? false },
      { ...boot(), cpu: given.cpu ?? 'host' },
      async () => {
        tries.push(given.cpu ?? 'host');
        return given.verdict ?? no;
      },
      clock,
    );

  it('are kept, and believed', async () => {
    expect(await ask()).toEqual(no);
    expect(await ask({ verdict: { usable: true } })).toEqual(no);
    expect(tries).toHaveLength(1);
    expect(readdirSync(folder).sort()).toEqual(['probes.json', 'qemu']);
  });

  it('are each for one CPU model and one QEMU', async () => {
    await ask();
    expect(await ask({ cpu: 'max', verdict: { usable: true } })).toEqual({ usable: true });
    expect(await ask()).toEqual(no);
    utimesSync(join(folder, 'qemu'), 1, 1);
    await ask();
    expect(tries).toEqual(['host', 'max', 'host']);
  });

  it('are made anew when asked to, and believed from then on', async () => {
    await ask();
    expect(await ask({ isRenewed: true, verdict: { usable: true } })).toEqual({ usable: true });
    expect(await ask()).toEqual({ usable: true });
    expect(tries).toHaveLength(2);
  });

  it('are forgotten after a day', async () => {
    await ask();
    await clock.advance(24 * 60 * 60 * 1000);
    await ask();
    expect(tries).toHaveLength(2);
    expect(Object.keys(JSON.parse(readFileSync(join(folder, 'probes.json'), 'utf8')) as object)).toHaveLength(1);
  });

  it.each(['', '[', '{"x": {"verdict": {"usable": true}}}', '[1]'])('are not read out of a file that holds %j', async (text) => {
    await ask();
    writeFileSync(join(folder, 'probes.json'), text);
    await ask();
    expect(tries).toHaveLength(2);
  });

  it('cost only time where they cannot be written', async () => {
    const store = { folder: join(folder, 'missing'), isRenewed: false };
    expect(await keptVerdict(store, boot(), () => Promise.resolve(no), clock)).toEqual(no);
    expect(await keptVerdict(undefined, boot(), () => Promise.resolve(no), clock)).toEqual(no);
  });

  it('are not kept when there is none', async () => {
    const failure = new Error('aborted');
    const store = { folder, isRenewed: false };
    await expect(keptVerdict(store, boot(), () => Promise.reject(failure), clock)).rejects.toBe(failure);
    expect(readdirSync(folder)).toEqual(['qemu']);
  });
});

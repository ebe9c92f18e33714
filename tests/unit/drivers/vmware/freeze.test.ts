import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VmwareFreezer } from '../../../../drivers/vmware/freeze.ts';
import { vmwareOptionsSchema } from '../../../../drivers/vmware/options.ts';
import { testContext } from '../../../support/test-context.ts';

describe('freezing a machine of VMware', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'kib-freeze-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  // A vmrun that does what it is given and notes what it was asked.
  async function freeze(body: string, signal = new AbortController().signal): Promise<unknown> {
    await using context = await testContext();
    const vmrun = join(dir, 'vmrun');
    const vmx = join(dir, 'kib.vmx');
    await writeFile(vmrun, `#!/bin/sh\necho "$@" >'${dir}/asked'\n${body}\n`, { mode: 0o755 });
    await writeFile(vmx, 'scsi0:0.fileName = "disk.vmdk"\n');
    const options = vmwareOptionsSchema.parse({});
    const place = { folder: dir, backing: '../base.qcow2' };
    const below = { place, format: 'qcow2', vmdk: join(dir, 'base.vmdk') } as const;
    const freezer = new VmwareFreezer({ host: { vmrun, product: 'ws' }, vmx, options, context }, below);
    return await freezer.freeze({ next: place, memory: false, signal });
  }

  it('takes no disk for frozen that the machine still writes to', async () => {
    await expect(freeze('exit 0')).rejects.toMatchObject({
      code: 'KIB_VMRUN',
      message: expect.stringContaining('disk.vmdk') as string,
    });
    expect(await readFile(join(dir, 'asked'), 'utf8')).toBe(`-T ws snapshot ${join(dir, 'kib.vmx')} kib-1\n`);
  });

  it('says what vmrun said', async () => {
    await expect(freeze('echo "Error: Insufficient permissions"; exit 255')).rejects.toMatchObject({
      code: 'KIB_VMRUN',
      message: 'vmrun snapshot failed: Insufficient permissions',
    });
  });

  it('lets a snapshot end that was begun, and asks for none when it is too late', async () => {
    const abort = new AbortController();
    const freezing = freeze(`sleep 0.5; touch '${dir}/whole'`, abort.signal);
    while (!existsSync(join(dir, 'asked'))) await sleep(10);
    abort.abort(new Error('enough'));
    await expect(freezing).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await readFile(join(dir, 'whole'), 'utf8')).toBe('');
    await rm(join(dir, 'asked'));
    await expect(freeze('exit 0', abort.signal)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    await expect(readFile(join(dir, 'asked'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

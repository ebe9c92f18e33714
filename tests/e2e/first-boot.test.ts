import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { qemu } from '../../drivers/qemu/driver.ts';
import { GiB, MiB, sh } from '../../src/core/index.ts';
import { waitForGuest } from '../../src/engine/boot-wait.ts';
import { makeLogin } from '../../src/engine/login.ts';
import { run } from '../../src/io/process.ts';
import { SHARED_CACHE } from '../support/boot-base.ts';
import { startKib } from '../support/program.ts';
import { testContext } from '../support/test-context.ts';

const UNIT = 'kib-first-boot.service';

/** One build; its disk is then booted twice, as a machine would be, each time with another host name in its seed. */
describe('an image with first-boot', () => {
  let scratch: string;
  let disk: string;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'kib-first-boot-'));
    const image = join(scratch, 'first.yaml');
    writeFileSync(join(scratch, 'again.sh'), '#!/bin/sh\nset -eu\n[ -e /var/lib/tried ] || { : >/var/lib/tried; exit 3; }\n');
    writeFileSync(
      image,
      `image: debian13
base: bootstrap
firmware: bios
disk: 4GiB
without: [setup, node, providers, containerd, cni, kubernetes, guest-agent, network-manager, selinux, cloud-init]
recipes:
  first-boot:
    retrySeconds: 1
    verifySeconds: 120
    scripts:
      - name: greet
        shell: echo "$(uname -n)" >>/var/lib/greeted
      - { name: again, script: again.sh }
provision:
  - shell: test -e /run/cloud-init/disabled && test ! -e /var/lib/cloud/instance && test "$(df --output=size / | tail -1)" -gt 3500000
    name: the build waited for no cloud-init, and its disk has grown all the same
  - reboot: true
  - shell: test ! -e /var/lib/greeted
    name: a reboot of the build is no first boot
`,
    );
    const build = startKib(['build', image, '--output-dir', join(scratch, 'output')], { XDG_STATE_HOME: join(scratch, 'state') });
    const { status, stderr } = await build.ended;
    const results = build.events.flatMap((event) => (event.type === 'check' ? [event.result] : []));
    expect(status, `${stderr}\n${JSON.stringify(results.filter(({ ok }) => !ok))}`).toBe(0);
    expect(results.map(({ name }) => name)).toEqual(expect.arrayContaining(['first-boot/ready', 'first-boot/done']));
    // A machine's own disk: the file of the image is left as it is.
    disk = join(scratch, 'machine.qcow2');
    const base = join(scratch, 'output', 'debian13', 'debian13.qcow2');
    await run('qemu-img', ['convert', '-O', 'qcow2', base, disk], { signal: new AbortController().signal });
  }, 1_200_000);
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  /** Boots the machine as `hostname`, lets `script` look at it, and powers it off; what it wrote stays on its disk. */
  async function boot(hostname: string, script: ReturnType<typeof sh>): Promise<string> {
    await using context = await testContext({ cache: SHARED_CACHE });
    const login = makeLogin({ instanceId: `i-${hostname}`, hostname, minimal: false });
    const machine = await qemu.launch(
      {
        name: hostname,
        machine: { arch: 'amd64', firmware: 'bios', cpus: 2, memoryBytes: 1024 * MiB, diskBytes: 4 * GiB, x86Level: 1 },
        base: { path: disk, format: 'qcow2' },
        seed: login.seed,
      },
      qemu.options.parse({}),
      context,
    );
    context.scope.use('machine', machine);
    const guest = await waitForGuest(machine, login.credentials, context);
    const { stdout } = await guest.run(script, { signal: context.signal, timeoutMs: 120_000 });
    await guest[Symbol.asyncDispose]();
    const stopped = context.scope.use(
      'disk',
      await machine.shutdown({ graceMs: 60_000 * machine.slowness, signal: context.signal }),
    );
    const left = await stopped.seal();
    if (left.kind !== 'file') throw new Error('the disk is not on this host');
    const kept = join(scratch, `${hostname}.qcow2`);
    await run('qemu-img', ['convert', '-O', 'qcow2', left.path, kept], { signal: context.signal });
    disk = kept;
    return stdout;
  }

  it('runs once, with the host name of the machine, and is gone', async () => {
    const looked = await boot(
      'alpha',
      sh`
        while [ -e /usr/libexec/kib-first-boot ]; do
          if systemctl is-failed --quiet ${UNIT}; then cat /var/lib/kib-first-boot/status; exit 1; fi
          sleep 1
        done
        cat /var/lib/greeted
        ls /etc/systemd/system/${UNIT} /etc/systemd/system/multi-user.target.wants/${UNIT} /var/lib/kib-first-boot 2>/dev/null || :
        if systemctl is-enabled ${UNIT} >/dev/null 2>&1; then echo enabled; else echo gone; fi
        systemctl list-units --failed --no-legend
      `,
    );
    expect(looked.trim().split('\n')).toEqual(['alpha', 'gone']);
    const second = await boot(
      'beta',
      sh`
        cat /var/lib/greeted
        uname -n
        journalctl --boot --unit ${UNIT} --quiet --output cat
      `,
    );
    expect(second.trim().split('\n')).toEqual(['alpha', 'beta']);
  }, 900_000);
});

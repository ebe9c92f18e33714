import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PlannedAction, type PrimitiveAction, type RunningMachine, sh } from '../../src/core/index.ts';
import { waitForGuest } from '../../src/engine/boot-wait.ts';
import { runChecks } from '../../src/engine/checks.ts';
import { executeActions } from '../../src/engine/execute.ts';
import type { Guest } from '../../src/engine/guest.ts';
import { launch, SHARED_CACHE, testBase } from '../support/boot-base.ts';
import { type TestContext, testContext } from '../support/test-context.ts';

let context: TestContext;
let machine: RunningMachine;
let guest: Guest;

beforeAll(async () => {
  context = await testContext({ cache: SHARED_CACHE });
  const started = await launch(await testBase(context), 'qcow2', context);
  machine = started.machine;
  guest = context.scope.use('guest', await waitForGuest(machine, started.credentials, context));
});
afterAll(() => context[Symbol.asyncDispose]());

const plan = (action: PrimitiveAction, index = 0): PlannedAction => ({ ...action, id: `test/${index}`, recipe: 'test' });
const notes = () => context.events.flatMap((event) => (event.type === 'span.note' ? [event.text] : []));

describe('a guest that came up', () => {
  it('went through the phases of a boot', () => {
    expect(
      notes().filter((note) => ['kernel', 'systemd', 'cloud-init', 'logged in, waiting for cloud-init'].includes(note)),
    ).toEqual(['kernel', 'systemd', 'cloud-init', 'logged in, waiting for cloud-init']);
  });

  it('runs actions as root and keeps their files', async () => {
    const local = join(context.root, 'payload');
    await writeFile(local, Buffer.alloc(5_000_000, 'kib'));
    const url = 'https://example.org/payload';
    const actions: PrimitiveAction[] = [
      { kind: 'exec', title: 'who', script: sh`test "$(id -u)" = 0; echo "$PWD $LC_ALL"`, timeoutMs: 10_000 },
      {
        kind: 'put',
        title: 'text',
        content: { kind: 'text', text: 'hello\n' },
        path: '/etc/kib/hello',
        mode: '0600',
        owner: 'root:root',
      },
      { kind: 'put', title: 'file', content: { kind: 'download', url }, path: '/opt/payload', mode: '0755', owner: 'root:root' },
      {
        kind: 'exec',
        title: 'look',
        script: sh`stat -c '%a %U:%G %s' /etc/kib/hello /opt/payload; ls /var/tmp | grep -c '^kib' || :`,
        timeoutMs: 10_000,
      },
    ];
    await executeActions(guest, actions.map(plan), { files: new Map([[url, local]]), context });
    const lines = context.events.flatMap((event) => (event.type === 'log' && event.stream === 'guest' ? [event.line] : []));
    expect(lines).toEqual(['/ C', '600 root:root 6', '755 root:root 5000000', '1']);
  });

  it('hands files over both ways', async () => {
    const local = join(context.root, 'secret');
    await writeFile(local, 'only for root');
    await guest.upload(local, '/root/secret', { signal: context.signal });
    await guest.run(sh`chmod 0600 /root/secret`, { signal: context.signal });
    await guest.download('/root/secret', join(context.root, 'back'), { signal: context.signal });
    expect(await readFile(join(context.root, 'back'), 'utf8')).toBe('only for root');
    expect((await guest.run(sh`ls /var/tmp`, { signal: context.signal })).stdout).not.toContain('kib-');
  });

  it('ends what runs when it is aborted', async () => {
    const controller = new AbortController();
    const work = guest.run(sh`touch /run/kib-started; sleep 321`, { signal: controller.signal });
    const hasStarted = async () =>
      (await guest.run(sh`test -e /run/kib-started`, { signal: context.signal, okCodes: [0, 1] })).exitCode === 0;
    while (!(await hasStarted())) await context.clock.sleep(200);
    controller.abort(new Error('enough'));
    await expect(work).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    const { stdout } = await guest.run(sh`grep -l 'sleep.321' /proc/[0-9]*/cmdline 2>/dev/null || :; ls -d /run/kib.* || :`, {
      signal: context.signal,
    });
    // Only the folder of the script that asks.
    expect(stdout.trim().split('\n')).toHaveLength(1);
  });

  it('reboots into another boot', async () => {
    const before = await guest.bootId(context.signal);
    await executeActions(guest, [plan({ kind: 'reboot', title: 'reboot', timeoutMs: 60_000 })], { files: new Map(), context });
    expect(await guest.bootId(context.signal)).not.toBe(before);
  });

  it('answers checks', async () => {
    const check = { when: ['build'] as const, title: 'x' };
    const results = await runChecks(
      guest,
      [
        { ...check, name: 'a', script: sh`systemctl is-active ssh`, expect: { kind: 'equals', text: 'active' } },
        { ...check, name: 'b', script: sh`echo no >&2; false`, expect: { kind: 'success' } },
      ],
      { when: 'build', span: context.span, signal: context.signal },
    );
    expect(results.map((result) => [result.ok, result.detail])).toEqual([
      [true, 'active'],
      [false, 'wanted success, got exit code 1: no'],
    ]);
  });

  it('powers off', async () => {
    await guest[Symbol.asyncDispose]();
    const stopped = machine.shutdown({ graceMs: 30_000 * machine.slowness, signal: context.signal });
    await expect(stopped).resolves.toBeDefined();
  });
});

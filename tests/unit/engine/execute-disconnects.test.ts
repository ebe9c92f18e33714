import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KibError, type Sh, sh } from '../../../src/core/index.ts';
import { executeActions, groupActions } from '../../../src/engine/execute.ts';
import { actionWorld, failure } from '../../support/action-world.ts';
import { eventually } from '../../support/process-state.ts';

const { world, plan, exec, execute, logged, file } = actionWorld();

describe('an action that may break the connection', () => {
  const cut = (script: Sh, timeoutMs = 5000) => plan({ kind: 'exec', title: 'cut', script, timeoutMs, disconnects: true });
  const started = () => eventually(() => existsSync(file('started')));
  const machine = (exited: Promise<never> = new Promise(() => {})) => ({
    exited,
    console: { path: '', lines: async function* () {}, tail: async () => ['Kernel panic', 'not syncing'] },
  });

  it('is done when the guest answers again, and the next one runs on a new connection', async () => {
    const work = execute([exec(sh`echo before`), cut(sh`touch ${file('started')}; sleep 60`), exec(sh`echo after`)]);
    await started();
    world.server.drop();
    await work;
    expect(logged()).toEqual(['before', 'after']);
    expect(world.server.connections()).toBeGreaterThan(1);
  });

  it('is done too when it is told to end, or ends by itself', async () => {
    await execute([cut(sh`kill -TERM $$`), cut(sh`echo fine`), exec(sh`echo after`)]);
    expect(logged()).toEqual(['fine', 'after']);
  });

  it('still fails by its exit code, and by its deadline', async () => {
    expect(await failure(execute([cut(sh`exit 4`)]))).toMatchObject({ code: 'KIB_ACTION_FAILED', details: { exitCode: 4 } });
    expect(await failure(execute([cut(sh`sleep 60`, 1000)]))).toMatchObject({ code: 'KIB_ACTION_TIMEOUT' });
  });

  it('is lost where nobody expects that', async () => {
    const work = failure(execute([exec(sh`touch ${file('started')}; sleep 60`)]));
    await started();
    world.server.drop();
    expect(await work).toMatchObject({ code: 'KIB_SSH_LOST', details: { title: 'an action' } });
  });

  it('names its deadline and shows the console when the guest stays away', async () => {
    const work = failure(
      executeActions(world.guest, [cut(sh`touch ${file('started')}; sleep 60`, 2000)], {
        files: new Map(),
        context: world.context,
        machine: machine(),
      }),
    );
    await started();
    await world.server[Symbol.asyncDispose]();
    expect(await work).toMatchObject({
      code: 'KIB_REBOOT_TIMEOUT',
      message: expect.stringMatching(
        /\(cut\) failed: the guest did not answer again within 2\.0 s after its connection broke; the console ends with\n {2}Kernel panic\n {2}not syncing$/,
      ) as string,
      details: { console: ['Kernel panic', 'not syncing'] },
    });
  });

  it('ends at once when the machine is gone', async () => {
    const gone = new KibError('KIB_QEMU_EXITED', 'QEMU ended');
    let die: (error: unknown) => void = () => {};
    const exited = new Promise<never>((_, reject) => {
      die = reject;
    });
    const work = failure(
      executeActions(world.guest, [cut(sh`touch ${file('started')}; sleep 60`, 60_000)], {
        files: new Map(),
        context: world.context,
        machine: machine(exited),
      }),
    );
    await started();
    await world.server[Symbol.asyncDispose]();
    die(gone);
    expect(await work).toMatchObject({ code: 'KIB_QEMU_EXITED', details: { title: 'cut' } });
  });

  it('runs in a script of its own', () => {
    const groups = groupActions([exec(sh`a`), cut(sh`b`), exec(sh`c`), exec(sh`d`)]);
    expect(groups.map((group) => (Array.isArray(group) ? group.length : group.kind))).toEqual([1, 1, 2]);
  });
});

describe('a reboot', () => {
  const reboot = (unless: Sh) => plan({ kind: 'reboot', title: 'new kernel', timeoutMs: 1000, unless });
  /** The guest is this host, so it only says that it would. */
  const asked = async (unless: Sh) => {
    const reboots: number[] = [];
    Object.defineProperty(world.guest, 'reboot', {
      value: async (options: { timeoutMs: number }) => reboots.push(options.timeoutMs),
    });
    await execute([reboot(unless)]);
    return reboots;
  };
  const marks = () => world.context.events.flatMap((event) => (event.type === 'span.end' ? [event.status] : []));

  it('is left out when its script says so', async () => {
    expect(await asked(sh`test -d ${world.server.dir}`)).toEqual([]);
    expect(marks()).toContain('skipped');
  });

  it('is done otherwise', async () => {
    expect(await asked(sh`test -e ${file('none')}`)).toEqual([1000]);
    expect(marks()).not.toContain('skipped');
  });
});

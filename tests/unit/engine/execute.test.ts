import { existsSync } from 'node:fs';
import { lstat, readFile, stat, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Secret, sh, systemClock } from '../../../src/core/index.ts';
import { groupActions } from '../../../src/engine/execute.ts';
import type { Guest } from '../../../src/engine/guest.ts';
import { actionWorld, failure } from '../../support/action-world.ts';
import { endsSoon, eventually } from '../../support/process-state.ts';

const { world, restart, plan, exec, put, execute, logged, file } = actionWorld();
/** Where uploads went before they were installed. */
const stagedFiles = () => world.server.commands.flatMap((command) => /\/var\/tmp\/kib-\w+/.exec(command) ?? []);

describe('executeActions', () => {
  it('runs actions in order in one script, each in a span of its own', async () => {
    await execute([exec(sh`echo one`), put('two\n', file('two')), exec(sh`cat ${file('two')}; echo three >&2; printf four`)]);
    expect(logged()).toEqual(['one', 'two', 'three', 'four']);
    expect(world.server.commands).toEqual(['sudo -n /bin/sh -s']);
    const spans = world.context.events.flatMap((event) =>
      event.type === 'span.start' ? [`start ${event.name}`] : event.type === 'span.end' ? [event.status] : [],
    );
    expect(spans).toEqual(['start an action', 'ok', 'start a file', 'ok', 'start an action', 'ok']);
  });

  it('gives every action a fresh shell, / as folder, no input, umask 022 and the C locale', async () => {
    await execute([
      exec(sh`leaked=1; cd /tmp; umask 077`),
      exec(sh`echo "\${leaked-clean} $PWD $(umask) $LC_ALL $DEBIAN_FRONTEND $HOME"; cat; test -t 0 || echo no terminal`),
    ]);
    expect(logged()).toEqual(['clean / 0022 C noninteractive /root', 'no terminal']);
  });

  it('leaves no staged file behind, whether it succeeds or fails', async () => {
    await execute([exec(sh`dirname "$0"`)]);
    await failure(execute([exec(sh`dirname "$0"; exit 1`)]));
    const folders = logged();
    expect(folders).toHaveLength(2);
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it('keeps scripts and file contents from other users and out of arguments', async () => {
    await execute([
      exec(
        sh`stat -c %a "$(dirname "$0")" "$0"; tr '\\0' ' ' </proc/$$/cmdline | grep -c hunter2 || :; test ${new Secret('x', 'hunter2')} = hunter2`,
      ),
    ]);
    expect(logged()).toEqual(['700', '600', '0']);
    expect(world.server.commands.join()).not.toContain('hunter2');
  });

  it('writes files with any bytes, mode and missing folders, and replaces what was there', async () => {
    const text = `'"\\$(x)\`\u0000\r\n__\nünïcödé ${'long '.repeat(5000)}`;
    await execute([put('old', file('a/b/c')), put(text, file('a/b/c'), '0600')]);
    expect(await readFile(file('a/b/c'), 'utf8')).toBe(text);
    expect((await stat(file('a/b/c'))).mode & 0o777).toBe(0o600);
    expect((await stat(file('a'))).mode & 0o777).toBe(0o755);
  });

  it('replaces a symlink rather than what it points to', async () => {
    await execute([exec(sh`ln -s target ${file('link')}; echo kept >${file('target')}`), put('new', file('link'))]);
    expect(await readFile(file('target'), 'utf8')).toBe('kept\n');
    expect((await lstat(file('link'))).isFile()).toBe(true);
  });

  it('does not put a file in the place of a folder', async () => {
    const error = await failure(execute([exec(sh`mkdir ${file('folder')}`), put('x', file('folder'))]));
    expect(error).toMatchObject({ code: 'KIB_ACTION_FAILED', message: expect.stringContaining('cannot overwrite directory') });
  });

  it('writes an empty file', async () => {
    await execute([put('', file('empty'))]);
    expect((await stat(file('empty'))).size).toBe(0);
  });

  it('stops at the first failure and tells what failed and how to repeat it', async () => {
    const failing = exec(sh`echo before; echo ${new Secret('password', 'hunter2')} >/dev/null; false; echo after`);
    const error = await failure(execute([failing, exec(sh`echo never`)]));
    expect(error).toMatchObject({
      code: 'KIB_ACTION_FAILED',
      message: `${failing.id} (an action) failed with exit code 1\n  before`,
      hint: expect.stringContaining('kib-native ssh <build>'),
      details: {
        recipe: 'node',
        action: failing.id,
        exitCode: 1,
        lastLines: ['before'],
        script: expect.stringContaining('echo ***'),
      },
    });
    expect(logged()).toEqual(['before']);
  });

  it('carries the last 40 lines of a long output', async () => {
    const error = await failure(execute([exec(sh`seq 100; exit 7`)]));
    const { lastLines } = (error as { details: { lastLines: string[] } }).details;
    expect(lastLines).toHaveLength(40);
    expect(lastLines.at(-1)).toBe('100');
  });

  it('ends an action that is over its time, and all it started', async () => {
    const error = await failure(
      execute([exec(sh`sh -c 'sleep 60; touch ${file('late')}' & echo $!; wait`, { timeoutMs: 1000 })]),
    );
    expect(error).toMatchObject({ code: 'KIB_ACTION_TIMEOUT', message: expect.stringContaining('was not done within 1.0 s') });
    expect(await endsSoon(Number(logged()[0]))).toBe(true);
  });

  it('does not take an action’s own exit code 124 for a timeout', async () => {
    expect(await failure(execute([exec(sh`exit 124`)]))).toMatchObject({ code: 'KIB_ACTION_FAILED' });
  });

  it('tries again as often as the action says', async () => {
    world.guest = withoutPauses(world.guest);
    const script = sh`echo x >>${file('tries')}; test "$(wc -l <${file('tries')})" -ge 3`;
    await execute([exec(script, { attempts: 3 })]);
    expect(await readFile(file('tries'), 'utf8')).toBe('x\nx\nx\n');
    expect(world.context.events.filter((event) => event.type === 'warning')).toHaveLength(2);
  });

  it('gives up after the last attempt', async () => {
    world.guest = withoutPauses(world.guest);
    const error = await failure(execute([exec(sh`exit 5`, { attempts: 2 })]));
    expect(error).toMatchObject({ code: 'KIB_ACTION_FAILED', message: expect.stringContaining('exit code 5 after 2 attempts') });
  });

  it('ends what runs in the guest when it is aborted', async () => {
    const work = execute([
      exec(sh`trap '' HUP; sh -c 'sleep 60; touch ${file('late')}' & echo $$ $!; wait`, { timeoutMs: 60_000 }),
    ]);
    await eventually(() => logged().length > 0);
    const [shell = 0, child = 0] = (logged()[0] ?? '').split(' ').map(Number);
    world.context.abort(new Error('Ctrl-C'));
    expect(await failure(work)).toMatchObject({ code: 'KIB_CANCELLED', message: 'interrupted: Ctrl-C' });
    expect(await endsSoon(shell)).toBe(true);
    expect(await endsSoon(child)).toBe(true);
  });

  it('names the action the connection broke in', async () => {
    const action = exec(sh`echo on; exec sleep 3`);
    const work = execute([exec(sh`true`), action]);
    await eventually(() => logged().length > 0);
    world.server.drop();
    expect(await failure(work)).toMatchObject({
      code: 'KIB_SSH_LOST',
      message: expect.stringContaining(`${action.id} (an action) was cut short`),
    });
  });

  it('connects again for the next actions', async () => {
    world.server.drop();
    await eventually(() => world.server.connections() === 1);
    await systemClock.sleep(50);
    await execute([exec(sh`echo back`)]);
    expect(logged()).toEqual(['back']);
    expect(world.server.connections()).toBe(2);
  });

  it('does not wait for a background process that holds the output open', async () => {
    await execute([exec(sh`sleep 8 & echo done`)]);
    expect(logged()).toEqual(['done']);
  });

  it('uploads a download, installs it and removes the copy', async () => {
    await writeFile(file('local'), Buffer.alloc(100_000, 'kib'));
    const url = 'https://example.org/files/tool-1.0';
    const action = plan({
      kind: 'put',
      title: 'tool',
      content: { kind: 'download', url },
      path: file('bin/tool'),
      mode: '0755',
      owner: 'root:root',
    });
    await execute([action], new Map([[url, file('local')]]));
    expect((await readFile(file('bin/tool'))).equals(await readFile(file('local')))).toBe(true);
    expect((await stat(file('bin/tool'))).mode & 0o777).toBe(0o755);
    expect(stagedFiles()).toHaveLength(1);
    expect(stagedFiles().filter((path) => existsSync(path))).toEqual([]);
  });

  it('sends a small file along with the script, byte by byte the same', async () => {
    const bytes = Buffer.from(Array.from({ length: 32_768 }, (_, index) => (index * 7) % 256));
    await writeFile(file('local'), bytes);
    const content = { kind: 'download', url: 'https://example.org/small' } as const;
    const put = (path: string) => plan({ kind: 'put', title: 'x', content, path: file(path), mode: '0600', owner: 'root:root' });
    await execute([put('one'), put('two')], new Map([[content.url, file('local')]]));
    expect(Buffer.compare(await readFile(file('one')), bytes)).toBe(0);
    expect(Buffer.compare(await readFile(file('two')), bytes)).toBe(0);
    expect(stagedFiles()).toEqual([]);
  });

  it('installs no download that arrived differently', async () => {
    await restart({ corruptWrites: true });
    await writeFile(file('local'), Buffer.alloc(100_000, 'payload'));
    const content = { kind: 'download', url: 'https://example.org/x' } as const;
    const action = plan({ kind: 'put', title: 'x', content, path: file('x'), mode: '0644', owner: 'root:root' });
    const error = await failure(execute([action], new Map([[content.url, file('local')]])));
    expect(error).toMatchObject({ code: 'KIB_TRANSFER' });
    expect(existsSync(file('x'))).toBe(false);
    expect(stagedFiles().filter((path) => existsSync(path))).toEqual([]);
  });

  it('says what a download is missing', async () => {
    const content = { kind: 'download', url: 'https://example.org/x' } as const;
    const action = plan({ kind: 'put', title: 'x', content, path: file('x'), mode: '0644', owner: 'root:root' });
    expect(await failure(execute([action]))).toMatchObject({
      code: 'KIB_TRANSFER',
      message: expect.stringContaining('https://example.org/x'),
    });
  });

  it('hands custom actions the guest', async () => {
    let seen = '';
    const custom = plan({
      kind: 'custom',
      title: 'mine',
      key: '1',
      run: async (access) => void (seen = await access.run(sh`echo hello`)),
    });
    await execute([custom]);
    expect(seen).toBe('hello\n');
    const failing = plan({ kind: 'custom', title: 'mine', key: '2', run: () => Promise.reject(new Error('no')) });
    expect(await failure(execute([failing]))).toMatchObject({
      code: 'KIB_ACTION_FAILED',
      message: `${failing.id} (mine) failed: no`,
    });
  });
});

describe('without root', () => {
  it('says what sudo said', async () => {
    await restart({ sudo: '#!/bin/sh\necho "sudo: a password is required" >&2\nexit 1\n' });
    const error = await failure(execute([exec(sh`true`)]));
    expect(error).toMatchObject({ code: 'KIB_ACTION_FAILED', message: expect.stringContaining('sudo: a password is required') });
  });
});

describe('secrets', () => {
  it('that a script prints are in no event and no error', async () => {
    const script = sh`echo ${new Secret('token', 'hunter22')}; exit 3`;
    const error = await failure(execute([exec(script)]));
    expect(logged()).toEqual(['***']);
    expect(JSON.stringify([error, world.context.events])).not.toContain('hunter22');
    expect(error).toMatchObject({ message: expect.stringContaining('***') as string });
  });
});

describe('groupActions', () => {
  it('breaks scripts at reboots and custom actions', () => {
    const reboot = plan({ kind: 'reboot', title: 'r', timeoutMs: 1 });
    const groups = groupActions([exec(sh`a`), put('', '/b'), reboot, exec(sh`c`), reboot, reboot]);
    expect(groups.map((group) => (Array.isArray(group) ? group.length : group.kind))).toEqual([
      2,
      'reboot',
      1,
      'reboot',
      'reboot',
    ]);
  });
});

/** The same guest, which does not pause between attempts. */
function withoutPauses(original: Guest): Guest {
  return new Proxy(original, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (name === 'script') {
        return (...[steps, options]: Parameters<Guest['script']>) =>
          target.script(
            steps.map((step) => ({ ...step, pauseMs: 0 })),
            options,
          );
      }
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

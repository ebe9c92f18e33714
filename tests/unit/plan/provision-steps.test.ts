import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PrimitiveAction } from '../../../src/core/index.ts';
import { planStep } from '../../../src/plan/provision-steps.ts';
import { resolvedImage, scriptsOf } from '../../support/plan.ts';
import { syntaxErrors } from '../../support/shell.ts';
import { workspace } from '../../support/workspace.ts';

const file = (name: string, text?: string) => ({
  path: `/home/me/my images/${name}`,
  sha256: 'a'.repeat(64),
  ...(text === undefined ? {} : { text }),
});
const files = {
  provisionFiles: { 'motd.txt': file('motd.txt'), 'setup.py': file('setup.py', '#!/usr/bin/env python3\nprint("hi")\n') },
  provisionFolders: {
    etc: [
      { name: 'profile.d/us.sh', isExecutable: true, file: file('etc/profile.d/us.sh') },
      { name: 'motd', isExecutable: false, file: { ...file('etc/motd'), sha256: 'b'.repeat(64) } },
    ],
  },
};

type Steps = NonNullable<NonNullable<Parameters<typeof resolvedImage>[1]>['provision']>;

const specOf = (provision: Steps) => resolvedImage('debian13', { provision }).spec.provision;
const plan = (provision: Steps) => specOf(provision).map((step, index) => planStep(step, index, files));
const actionsOf = (provision: Steps) => plan(provision).flatMap(({ actions }) => actions);

/** Runs what the actions run on this host, put what they put. */
function runHere(actions: readonly PrimitiveAction[]): string {
  let out = '';
  for (const action of actions) {
    if (action.kind === 'put') {
      mkdirSync(dirname(action.path), { recursive: true });
      writeFileSync(action.path, action.content.kind === 'text' ? action.content.text : `of ${action.content.url}`);
      chmodSync(action.path, Number.parseInt(action.mode, 8));
    }
    if (action.kind === 'exec') out += execFileSync('/bin/sh', ['-euc', action.script.text], { encoding: 'utf8' });
  }
  return out;
}

describe('a step', () => {
  it('runs shell as the user wrote it', () => {
    expect(actionsOf([{ shell: 'echo "$HOME"\necho two', attempts: 2, timeoutSeconds: 5 }])).toEqual([
      {
        kind: 'exec',
        title: 'echo "$HOME"',
        script: expect.objectContaining({ text: 'echo "$HOME"\necho two' }) as unknown,
        attempts: 2,
        timeoutMs: 5000,
      },
    ]);
  });

  it('hands on what it says of how to run', () => {
    const secrets = { TOKEN: { env: 'GH_TOKEN' } };
    const more = { pauseSeconds: 30, expectDisconnect: true, exitCodes: [100], environment: { A: 'b' }, secrets };
    expect(actionsOf([{ shell: ':', ...more }])).toMatchObject([
      { pauseMs: 30_000, disconnects: true, exitCodes: [100], environment: { A: 'b' }, secrets },
    ]);
  });

  it('runs a script by its own first line and removes it', () => {
    const [put, run] = actionsOf([{ script: 'setup.py', name: 'set up' }]);
    const path = '/var/tmp/kib-provision-';
    expect(put).toMatchObject({
      kind: 'put',
      mode: '0700',
      owner: 'root:root',
    });
    expect(put?.kind === 'put' ? put.path : '').toMatch(new RegExp(`^${path}[0-9a-f]{12}$`));
    expect(run).toMatchObject({ title: 'set up', script: { text: expect.stringMatching(/^(\S+)\nrm -f \1$/) as string } });
  });

  it('removes a script too that ends with a code it may', () => {
    const text = '#!/bin/sh\nexit 3\n';
    const provisionFiles = { x: file('x', text) };
    const [put, run] = specOf([{ script: 'x', exitCodes: [3] }]).flatMap((step) => planStep(step, 0, { provisionFiles }).actions);
    if (put?.kind !== 'put' || run?.kind !== 'exec') throw new Error('wanted a script and its run');
    expect(() => runHere([put, run])).toThrow(expect.objectContaining({ status: 3 }) as Error);
    expect(existsSync(put.path)).toBe(false);
  });

  it('runs in a folder and as a user', () => {
    const [, ...rest] = actionsOf([{ shell: ':' }, { shell: "echo 'it'", user: 'nobody', workdir: '/tmp' }]);
    expect(scriptsOf(rest).map(({ text }) => text)).toEqual([
      `cd /tmp\nrunuser -u nobody -- env HOME="$(getent passwd nobody | cut -d: -f6)" /bin/sh -euc 'echo '\\''it'\\'''`,
    ]);
  });

  it('sends files by URL and digest, so that they are verified like any download', () => {
    const url = 'file:///home/me/my%20images/motd.txt';
    expect(plan([{ file: 'motd.txt', to: '/etc/motd', mode: '644' }])).toEqual([
      {
        actions: [
          {
            kind: 'put',
            title: 'put motd.txt at /etc/motd',
            content: { kind: 'download', url },
            path: '/etc/motd',
            mode: '0644',
            owner: 'root:root',
          },
        ],
        downloads: [{ url, sha256: 'a'.repeat(64), why: 'provision: motd.txt' }],
      },
    ]);
  });

  it('sends a folder file by file, executable ones so', () => {
    expect(actionsOf([{ dir: 'etc', to: '/etc', owner: 'me:us' }])).toMatchObject([
      { kind: 'put', path: '/etc/profile.d/us.sh', mode: '0755', owner: 'me:us' },
      { kind: 'put', path: '/etc/motd', mode: '0644', owner: 'me:us' },
    ]);
  });

  it('puts what is downloaded', () => {
    const sha256 = 'c'.repeat(64);
    const download = 'https://example.org/releases/tool-1.2';
    expect(plan([{ download, sha256, to: '/usr/local/bin/tool', mode: '0755' }])).toMatchObject([
      {
        actions: [
          {
            kind: 'put',
            title: 'put tool-1.2 at /usr/local/bin/tool',
            content: { kind: 'download', url: download },
            mode: '0755',
          },
        ],
        downloads: [{ url: download, sha256 }],
      },
    ]);
  });

  it('reboots and pauses', () => {
    expect(actionsOf([{ reboot: true }, { reboot: { timeoutSeconds: 60 } }, { breakpoint: 'look at /etc' }])).toEqual([
      { kind: 'reboot', title: 'reboot', timeoutMs: 600_000 },
      { kind: 'reboot', title: 'reboot', timeoutMs: 60_000 },
      { kind: 'breakpoint', title: 'breakpoint', message: 'look at /etc', timeoutMs: 14_400_000 },
    ]);
  });

  it('says which file was not read', () => {
    expect(() => plan([{ shell: ':' }, { file: 'gone', to: '/x' }])).toThrow(
      'provision[1].file: gone was not read from this host',
    );
  });
});

describe('onlyIf and unless', () => {
  const shell = (tests: { onlyIf?: string; unless?: string }) => runHere(actionsOf([{ shell: 'echo ran', ...tests }]));

  it('leave a script out', () => {
    expect(shell({ onlyIf: 'true' })).toBe('ran\n');
    expect(shell({ onlyIf: 'echo "it\'s"; false' })).toBe("it's\nleft out: onlyIf failed\n");
    expect(shell({ unless: 'false' })).toBe('ran\n');
    expect(shell({ unless: 'exit 0; echo never' })).toBe('left out: unless succeeded\n');
    expect(shell({ onlyIf: 'true', unless: 'true' })).toBe('left out: unless succeeded\n');
  });

  it('leave all files of a folder out, or none', async () => {
    const dir = await workspace();
    const step = { dir: 'etc', to: join(dir, 'etc'), owner: 'root:root', unless: `test -e ${join(dir, 'etc/motd')}` };
    const actions = actionsOf([step]);
    runHere(actions);
    expect(statSync(join(dir, 'etc/profile.d/us.sh')).mode & 0o777).toBe(0o755);
    expect(readFileSync(join(dir, 'etc/motd'), 'utf8')).toContain('motd');
    writeFileSync(join(dir, 'etc/motd'), 'mine');
    expect(runHere(actions)).toBe('left out: unless succeeded\n');
    expect(readFileSync(join(dir, 'etc/motd'), 'utf8')).toBe('mine');
    const aside = actions.flatMap((action) => (action.kind === 'put' ? [dirname(action.path)] : []));
    expect(aside.filter((path) => existsSync(path))).toEqual([]);
  });

  it('decide about reboots and breakpoints', () => {
    const unlessOf = (steps: Steps) => scriptsOf(actionsOf(steps)).map(({ text }) => text);
    const status = (text: string) => {
      try {
        execFileSync('/bin/sh', ['-euc', text]);
        return 'skip';
      } catch {
        return 'reboot';
      }
    };
    const cases: Steps = [
      { reboot: { unless: 'true' } },
      { reboot: { unless: 'false' } },
      { reboot: true, onlyIf: 'false' },
      { reboot: { unless: 'false' }, onlyIf: 'true' },
      { reboot: { unless: 'true' }, onlyIf: 'true' },
    ];
    expect(unlessOf(cases).map(status)).toEqual(['skip', 'reboot', 'skip', 'reboot', 'skip']);
    expect(actionsOf([{ breakpoint: 'x', onlyIf: 'true' }])).toMatchObject([
      { kind: 'breakpoint', unless: { text: expect.any(String) as string } },
    ]);
  });

  it('are scripts that every shell can read', () => {
    const tests = { onlyIf: 'test \'a b\' = "$X"', unless: 'case x in x) ;; esac' };
    const steps: Steps = [
      { shell: 'echo', user: 'me', ...tests },
      { script: 'setup.py', exitCodes: [1, 2], user: 'me', ...tests },
      { dir: 'etc', to: '/etc', ...tests },
      { reboot: true, ...tests },
    ];
    for (const { text } of scriptsOf(actionsOf(steps))) expect(syntaxErrors(text)).toBe('');
  });
});

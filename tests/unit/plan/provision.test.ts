import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BuildPlan, PrimitiveAction } from '../../../src/core/index.ts';
import { planBuild } from '../../../src/plan/planner.ts';
import { layerOf } from '../../../src/plan/provision.ts';
import { planStep } from '../../../src/plan/provision-steps.ts';
import { exec, recipe } from '../../support/house.ts';
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

type Input = Parameters<typeof resolvedImage>[1];
type Steps = NonNullable<NonNullable<Input>['provision']>;

const specOf = (provision: Steps) => resolvedImage('debian13', { provision }).spec.provision;
const plan = (provision: Steps) => specOf(provision).map((step, index) => planStep(step, index, files));
const actionsOf = (provision: Steps) => plan(provision).flatMap(({ actions }) => actions);

function built(provision: Steps, input: Input = {}, os = 'debian13'): BuildPlan {
  const registry = [
    recipe('one', [exec('one')]),
    recipe('two', [exec('two')]),
    recipe('seal', [exec('clean'), exec('remove the login')]),
  ];
  return planBuild(resolvedImage(os, { provision, ...input }, { registry, ...files }));
}
const layersOf = ({ layers }: BuildPlan) => layers.map(({ name }) => name);

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

describe('when', () => {
  const runs = (when: NonNullable<Steps[number]['when']>, input: Input = {}, os = 'debian13') =>
    layersOf(built([{ shell: ':', when }], input, os)).includes('provision');

  it.each([
    [{ os: 'debian13' }, true],
    [{ os: ['rocky10', 'debian-13'] }, true],
    [{ os: 'rocky10' }, false],
    [{ family: 'debian' }, true],
    [{ family: ['rhel', 'photon'] }, false],
    [{ arch: 'amd64' }, true],
    [{ arch: 'arm64' }, false],
    [{ driver: 'qemu' }, true],
    [{ driver: 'vsphere' }, false],
    [{ format: ['raw', 'qcow2'] }, true],
    [{ format: 'ova' }, false],
    [{ kubernetes: false }, true],
    [{ kubernetes: true }, false],
    [{ kubernetes: 'v1.36' }, false],
    [{ os: 'debian13', arch: 'arm64' }, false],
    [{}, true],
  ] as const)('%j', (when, expected) => {
    expect(runs(when as NonNullable<Steps[number]['when']>)).toBe(expected);
  });

  it.each([
    ['v1.36', true],
    ['v1.36.4', true],
    ['v1.3', false],
    [['v1.35', 'v1.36'], true],
    ['v1.36.40', false],
  ] as const)('kubernetes %j', (release, expected) => {
    const image = resolvedImage('debian13', {
      kubernetes: { version: 'v1.36.4' },
      provision: [{ shell: ':', when: { kubernetes: release as string | string[] } }],
    });
    expect(layersOf(planBuild(image)).includes('provision')).toBe(expected);
  });
});

describe('places', () => {
  const at = (place: NonNullable<Steps[number]['at']>, text: string = place): Steps[number] => ({
    shell: `echo ${text}`,
    at: place,
  });

  it('are layers in the order of image-builder’s hooks', () => {
    const provision: Steps = [
      { shell: 'echo default' },
      at('after-recipes'),
      at('before-recipes'),
      at('after-packages'),
      at('before-packages'),
      { shell: 'echo after one', after: 'one' },
    ];
    const plan = built(provision);
    expect(layersOf(plan)).toEqual([
      'boot',
      'provision-before-packages',
      'provision-after-packages',
      'provision-before-recipes',
      'one',
      'provision-after-one',
      'two',
      'provision',
    ]);
    expect(plan.layers.at(-1)?.actions.map(({ id, title }) => `${id} ${title}`)).toEqual([
      'provision/1 echo default',
      'provision/2 echo after-recipes',
    ]);
  });

  it('stand around the packages', () => {
    const registry = [
      recipe('one', [exec('one')], { packages: () => [{ name: 'jq' }] }),
      recipe('seal', [exec('remove the login')]),
    ];
    const provision = [at('before-packages'), at('after-packages'), at('before-recipes')];
    expect(layersOf(planBuild(resolvedImage('debian13', { provision }, { registry })))).toEqual([
      'boot',
      'provision-before-packages',
      'repositories',
      'packages',
      'provision-after-packages',
      'provision-before-recipes',
      'one',
    ]);
  });

  it('after the seal are right before the login goes', () => {
    const { seal, layers } = built([at('after-seal')]);
    expect(seal.map(({ title }) => title)).toEqual(['clean', 'echo after-seal', 'remove the login']);
    expect(layers.map(({ name }) => name)).toEqual(['boot', 'one', 'two']);
  });

  it('change the keys of what follows, and of nothing before', () => {
    const keys = (provision: Steps) => new Map(built(provision).layers.map(({ name, key }) => [name, key]));
    const without = keys([]);
    const with1 = keys([{ shell: 'echo 1', after: 'one' }]);
    const with2 = keys([{ shell: 'echo 2', after: 'one' }]);
    expect(with1.get('one')).toBe(without.get('one'));
    expect(with1.get('two')).not.toBe(without.get('two'));
    expect(with1.get('two')).not.toBe(with2.get('two'));
  });

  it('do not count breakpoints, how often is tried, nor how long', () => {
    const last = (provision: Steps) => built(provision).layers.at(-1)?.key;
    expect(last([{ shell: 'a' }, { breakpoint: 'x' }])).toBe(
      last([{ shell: 'a', attempts: 3, timeoutSeconds: 5, pauseSeconds: 9 }]),
    );
    expect(last([{ shell: 'a', environment: { A: '1' } }])).not.toBe(last([{ shell: 'a' }]));
  });

  it.each([
    [{ shell: ':', after: 'gone' }, 'provision[0].after: must be a recipe of this image, got gone (it has one, two)'],
    [{ shell: ':', after: 'seal' }, 'provision[0].after: cannot be seal'],
    [{ shell: ':', after: 'one', at: 'after-recipes' }, 'provision[0].after: cannot stand beside at'],
    [{ reboot: true, at: 'after-seal' }, 'provision[0].at: cannot reboot after the seal'],
    [{ shell: ':', expectDisconnect: true, at: 'after-seal' }, 'provision[0].at: cannot reboot after the seal'],
  ] as const)('refuse %j', (step, message) => {
    expect(() => built([step as Steps[number]])).toThrow(message);
    expect(() => built([{ ...(step as Steps[number]), when: { arch: 'arm64' } }])).not.toThrow();
  });

  it('have names that no recipe may take', () => {
    const registry = [recipe(layerOf({ after: 'one' }), []), recipe('seal', [])];
    expect(() => planBuild(resolvedImage('debian13', {}, { registry }))).toThrow('a recipe cannot be called provision-after-one');
  });
});

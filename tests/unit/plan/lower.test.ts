import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, property, string, stringMatching } from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { Action, PrimitiveAction } from '../../../src/core/index.ts';
import { lower } from '../../../src/plan/lower.ts';
import { osOf, scriptsOf } from '../../support/plan.ts';
import { syntaxErrors } from '../../support/shell.ts';

const debian = osOf('debian13');
const rocky = osOf('rocky10');
const download = { url: 'https://example.org/a/tool-1.0.tar.gz', sha256: 'a'.repeat(64), why: 'test' };

function textOf(action: Action, os = debian): string {
  return scriptsOf(lower(action, os))
    .map((script) => script.text)
    .join('\n');
}

const ENABLE =
  'if [ "$(systemctl is-enabled a.service 2>/dev/null)" != enabled ]; then systemctl --no-reload enable a.service; fi';

describe('lower', () => {
  it('gives primitives back as they are', () => {
    const action: PrimitiveAction = { kind: 'reboot', title: 'reboot', timeoutMs: 1 };
    expect(lower(action, debian)).toEqual([action]);
  });

  it('writes files as root unless told otherwise', () => {
    expect(lower({ kind: 'file', path: '/etc/a', text: 'b' }, debian)).toEqual([
      {
        kind: 'put',
        title: 'write /etc/a',
        content: { kind: 'text', text: 'b' },
        path: '/etc/a',
        mode: '0644',
        owner: 'root:root',
      },
    ]);
  });

  it('makes folders with mode and owner', () => {
    const action = { kind: 'directory', path: '/srv/x', mode: '0750', owner: 'daemon:adm' } as const;
    expect(textOf(action)).toBe('install -d -m 0750 -o daemon -g adm -- /srv/x');
    expect(textOf(action, rocky)).toBe('install -d -m 0750 -o daemon -g adm -- /srv/x\nrestorecon /srv/x');
  });

  it('unpacks a verified archive that it removes afterwards', () => {
    const action: Action = { kind: 'unpack', download, into: '/opt/tool', stripComponents: 1, members: ['a/b'] };
    const [put, exec] = lower(action, debian);
    expect(put).toMatchObject({ kind: 'put', content: { kind: 'download', url: download.url }, mode: '0600' });
    const archive = put?.kind === 'put' ? put.path : '';
    expect(exec).toMatchObject({ kind: 'exec', title: 'unpack tool-1.0.tar.gz into /opt/tool' });
    expect(textOf(action).split('\n')).toEqual([
      'mkdir -p -- /opt/tool',
      `tar --extract --file=${archive} --directory=/opt/tool --no-same-owner --no-overwrite-dir --strip-components=1 -- a/b`,
      `rm -f ${archive}`,
    ]);
  });

  it('labels what it unpacked where SELinux is', () => {
    expect(textOf({ kind: 'unpack', download, into: '/usr/local' }, rocky)).toContain('\nrestorecon -R /usr/local');
  });

  it.each([
    [{ enabled: true }, ENABLE],
    [{ enabled: true, state: 'started' }, `${ENABLE}\nsystemctl daemon-reload\nsystemctl start a.service`],
    [{ enabled: true, state: 'stopped' }, `${ENABLE}\nsystemctl stop a.service`],
    [
      { enabled: false, state: 'restarted' },
      'systemctl --no-reload disable a.service\nsystemctl daemon-reload\nsystemctl restart a.service',
    ],
  ] as const)('service %j', (wish, script) => {
    expect(textOf({ kind: 'service', unit: 'a.service', ...wish })).toBe(script);
  });

  it('installs and holds by the package manager of the system', () => {
    expect(textOf({ kind: 'install', packages: ['jq'] }, debian)).toMatch(/^apt-get .* --no-install-recommends install jq \|\|/m);
    expect(textOf({ kind: 'install', packages: ['jq'] }, rocky)).toMatch(/^dnf .* install jq$/m);
    expect(textOf({ kind: 'hold', packages: ['jq'] }, debian)).toBe('apt-mark hold jq');
    expect(textOf({ kind: 'hold', packages: ['jq'] }, rocky)).toBe("dnf --assumeyes --disablerepo='*' versionlock add jq");
  });

  it('makes modules and settings last and live', () => {
    expect(lower({ kind: 'kernel-modules', name: 'k', modules: ['a', 'b'] }, debian)).toMatchObject([
      { path: '/etc/modules-load.d/k.conf', content: { text: 'a\nb\n' } },
      { script: { text: 'modprobe --all -- a b' } },
    ]);
    expect(lower({ kind: 'sysctl', name: 's', values: { 'net.a': '1' } }, debian)).toMatchObject([
      { path: '/etc/sysctl.d/s.conf', content: { text: 'net.a = 1\n' } },
      { script: { text: expect.stringContaining('"$apply" --strict /etc/sysctl.d/s.conf; else "$apply" /etc/sysctl.d/s.conf') } },
    ]);
  });
});

describe('any value survives the shell', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kib-lower-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Any file name: no NUL, no slash. */
  const name = stringMatching(/^[^\0/]{1,40}$/).filter((text) => text !== '.' && text !== '..' && Buffer.byteLength(text) < 200);

  it('removes the file of that name and no other', () => {
    assert(
      property(name, (text) => {
        writeFileSync(join(folder, text), '');
        writeFileSync(join(folder, 'kept-by-kib-native'), '');
        execFileSync('/bin/sh', ['-eu', '-c', textOf({ kind: 'remove', paths: [join(folder, text)] })]);
        expect(readdirSync(folder)).toEqual(text === 'kept-by-kib-native' ? [] : ['kept-by-kib-native']);
      }),
      { numRuns: 60, examples: [["it's"], ['-rf'], ['$(id)'], ['a b\n*']] },
    );
  });

  it('makes script that every sh can read', () => {
    assert(
      property(
        string({ minLength: 1 }).filter((text) => !text.includes('\0')),
        (text) => {
          const actions: readonly Action[] = [
            { kind: 'directory', path: `/${text}` },
            { kind: 'service', unit: text, enabled: true, state: 'started' },
            { kind: 'mask', units: [text, text] },
            { kind: 'install', packages: [text] },
            { kind: 'unpack', download, into: `/${text}`, members: [text] },
          ];
          expect(syntaxErrors(actions.map((action) => `${textOf(action, debian)}\n${textOf(action, rocky)}`).join('\n'))).toBe(
            '',
          );
        },
      ),
      { numRuns: 40 },
    );
  });
});

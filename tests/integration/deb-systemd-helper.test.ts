import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { raw } from '../../src/core/index.ts';
import { withHelpers } from '../../src/plan/apt-helpers.ts';

const REAL = ['/usr/bin/deb-systemd-helper', '/usr/bin/systemctl'];
const hasReal = REAL.every((path) => existsSync(path));
if (!hasReal) console.warn(`skipped: ${REAL.join(' and ')} of Debian’s init-system-helpers and systemd are not here`);

const UNITS: Readonly<Record<string, string>> = {
  'plain.service': '[Install]\nWantedBy=multi-user.target\n',
  'both.service': '[Install]\nWantedBy=multi-user.target graphical.target\nAlias=other.service\nAlso=both.socket\n',
  'both.socket': '[Install]\nWantedBy=sockets.target\n',
  'static.service': '[Service]\nType=oneshot\n',
};
const ACTIONS = ['unmask', 'was-enabled', 'enable', 'update-state', 'debian-installed', 'mask', 'disable', 'purge'];

/** Files of units, and the program whose presence has deb-systemd-helper ask systemctl(1) for presets. */
function makeRoot(): string {
  const root = mkdtempSync(join(tmpdir(), 'kib-helper-'));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  for (const kind of ['system', 'user'])
    for (const [name, text] of Object.entries(UNITS)) put(`usr/lib/systemd/${kind}/${name}`, text);
  for (const folder of ['etc/systemd/system', 'etc/systemd/user', 'dev/shm']) mkdirSync(join(root, folder), { recursive: true });
  put('usr/bin/systemctl', '#!/bin/sh\n');
  chmodSync(join(root, 'usr/bin/systemctl'), 0o755);
  return root;
}

/** Every file with its content and every link with its target, apart from the units themselves. */
function treeOf(root: string): Readonly<Record<string, string>> {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());
  return Object.fromEntries(
    entries
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !path.startsWith(join(root, 'usr/')) && !path.startsWith(join(root, 'dev/')))
      .map((path): [string, string] => [path.slice(root.length), textOf(path)]),
  );
}

function textOf(path: string): string {
  try {
    return `-> ${readlinkSync(path)}`;
  } catch {
    return readFileSync(path, 'utf8').split('\n').sort().join('\n');
  }
}

/** Exit codes of the calls, as maintainer scripts see them, and what is left behind. DPKG_ROOT is how deb-systemd-helper(1p) is told of another root. */
function play(
  calls: readonly string[],
  isHelped: boolean,
): { readonly codes: string; readonly tree: Readonly<Record<string, string>> } {
  const root = makeRoot();
  try {
    // debhelper’s scripts do not ask whether "enable" succeeded, and here it waits.
    const lines = calls.map((call) => {
      const command = `deb-systemd-helper ${call} >/dev/null 2>&1`;
      return /enable |update-state /.test(call) ? `${command} || :` : `${command} && echo "${call}: 0" || echo "${call}: $?"`;
    });
    const postinst = join(root, 'dev/postinst');
    writeFileSync(postinst, `${lines.join('\n')}\n`);
    const text = isHelped
      ? withHelpers(raw(`PATH=$dpkg_path sh ${postinst}`), []).text.replaceAll(
          /\/dev\/shm|\/etc\/systemd|\/var\/lib\/systemd/g,
          `${root}$&`,
        )
      : `sh ${postinst}`;
    const env = {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      DPKG_ROOT: root,
      DPKG_MAINTSCRIPT_PACKAGE: 'test',
      SYSTEMD_LOG_LEVEL: 'err',
    };
    const codes = execFileSync('/bin/sh', ['-eu', '-c', text.replaceAll('/usr/sbin/policy-rc.d', '/none')], {
      env,
      encoding: 'utf8',
    });
    return { codes, tree: treeOf(root) };
  } finally {
    rmSync(root, { recursive: true });
  }
}

const call = fc
  .record({
    action: fc.constantFrom(...ACTIONS),
    unit: fc.constantFrom(...Object.keys(UNITS)),
    options: fc.constantFrom('', '--quiet ', '--user ', '--quiet --user '),
  })
  .map(({ action, unit, options }) => `${options}${action} ${unit}`);

it.runIf(hasReal)(
  'answers, and leaves units enabled, as Debian’s own program does',
  () => {
    const property = fc.property(fc.array(call, { minLength: 1, maxLength: 10 }), (calls) => {
      expect(play(calls, true)).toEqual(play(calls, false));
    });
    fc.assert(property, { numRuns: 40 });
  },
  120_000,
);

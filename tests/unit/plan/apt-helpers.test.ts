import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { raw } from '../../../src/core/index.ts';
import { withHelpers } from '../../../src/plan/apt-helpers.ts';

const RECORDS = '/var/lib/systemd/deb-systemd-helper-enabled';
const USER_RECORDS = '/var/lib/systemd/deb-systemd-user-helper-enabled';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kib-units-'));
  for (const name of ['systemctl', 'deb-systemd-invoke', 'deb-systemd-helper', 'py3compile'])
    program(name, `echo ${name} "$@" >>${folder}/log`);
  writeFileSync(join(folder, 'log'), '');
  for (const path of [RECORDS, USER_RECORDS, '/etc/systemd/system', '/dev/shm'])
    mkdirSync(join(folder, path), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, body: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, name), 0o755);
}

/** What the real programs are asked while a transaction runs maintainer scripts of these lines, and its exit code. */
function play(
  maintainerScript: string,
  startedLater: readonly string[] = [],
): { readonly asked: readonly string[]; readonly code: number } {
  const path = join(folder, 'postinst');
  writeFileSync(path, maintainerScript);
  const { text } = withHelpers(raw(`PATH="$dpkg_path" sh -e ${path}`), startedLater);
  const script = text
    .replaceAll(/\/usr\/bin\/(systemctl|deb-systemd-|py3compile)/g, `${folder}/$1`)
    .replaceAll('dpkg_path=/usr', `dpkg_path=${folder}:/usr`)
    .replaceAll(/\/dev\/shm|\/etc\/systemd|\/var\/lib\/systemd|\/usr\/sbin\/policy-rc\.d/g, `${folder}$&`);
  let code = 0;
  try {
    execFileSync('/bin/sh', ['-eu', '-c', script], { env: { PATH: `${folder}:/usr/bin:/bin` } });
  } catch (error) {
    code = (error as { status: number }).status;
  }
  return { asked: readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').filter(Boolean), code };
}

const TWO_SERVICES = `
systemctl --system daemon-reload
deb-systemd-invoke start 'b.service' 'x\\x2dy.mount'
systemctl --system daemon-reload
deb-systemd-invoke start a.service daily.timer
`;

describe('units of a transaction', () => {
  it('are read once and started together, timers not at all', () => {
    expect(play(TWO_SERVICES)).toEqual({
      asked: ['systemctl daemon-reload', 'deb-systemd-invoke start a.service b.service x\\x2dy.mount'],
      code: 0,
    });
  });

  it('are not started when a recipe does it later', () => {
    const { asked } = play(TWO_SERVICES, ['a.service', 'b.service']);
    expect(asked).toEqual(['systemctl daemon-reload', 'deb-systemd-invoke start x\\x2dy.mount']);
  });

  it('are restarted once, before others are started', () => {
    const { asked } = play(
      'deb-systemd-invoke restart a.service\ndeb-systemd-invoke start b.service\ndeb-systemd-invoke restart a.service',
    );
    expect(asked).toEqual(['deb-systemd-invoke restart a.service', 'deb-systemd-invoke start b.service']);
  });

  it('are read at once for who acts on them by name, and questions are answered as ever', () => {
    const { asked } = play(
      'systemctl daemon-reload\nsystemctl is-enabled a.service\nsystemctl restart a.service\ndeb-systemd-invoke stop b.service',
    );
    expect(asked).toEqual([
      'systemctl is-enabled a.service',
      'systemctl daemon-reload',
      'systemctl restart a.service',
      'deb-systemd-invoke stop b.service',
    ]);
  });

  it('are read before a start whatever their names are like', () => {
    const { asked } = play('systemctl daemon-reload\nsystemctl restart unmasked-tables.service');
    expect(asked).toEqual(['systemctl daemon-reload', 'systemctl restart unmasked-tables.service']);
  });

  it('of users are none of our business', () => {
    const { asked } = play('systemctl --global daemon-reload\ndeb-systemd-invoke --user start a.service');
    expect(asked).toEqual(['systemctl --global daemon-reload', 'deb-systemd-invoke --user start a.service']);
  });

  it('are started after a failure too, which stays one', () => {
    expect(play(`${TWO_SERVICES}exit 100`)).toEqual({
      asked: ['systemctl daemon-reload', 'deb-systemd-invoke start a.service b.service x\\x2dy.mount'],
      code: 100,
    });
  });

  it('are left to the maintainer scripts where there is a policy', () => {
    mkdirSync(join(folder, 'usr/sbin'), { recursive: true });
    program('usr/sbin/policy-rc.d', 'exit 101');
    expect(play('systemctl daemon-reload\ndeb-systemd-invoke start a.service').asked).toEqual([
      'systemctl daemon-reload',
      'deb-systemd-invoke start a.service',
    ]);
  });

  it('are enabled together, each kind with one Perl', () => {
    const { asked } = play(
      `${dhInstallsystemd('a.service')}${dhInstallsystemd('b.timer')}${dhInstallsystemd('c.socket', '--user')}`,
    );
    expect(asked).toEqual(['deb-systemd-helper --system enable a.service b.timer', 'deb-systemd-helper --user enable c.socket']);
  });

  it('are enabled before anybody asks whether they are, or starts them', () => {
    const { asked } = play(
      `${dhInstallsystemd('a.service')}systemctl is-enabled a.service\n${dhInstallsystemd('b.service')}systemctl start b.service`,
    );
    expect(asked).toEqual([
      'deb-systemd-helper --system enable a.service',
      'systemctl is-enabled a.service',
      'deb-systemd-helper --system enable b.service',
      'systemctl start b.service',
    ]);
  });

  it('are enabled one by one when one of them cannot be', () => {
    program('deb-systemd-helper', `echo deb-systemd-helper "$@" >>${folder}/log; case "$*" in *b.service*) exit 1 ;; esac`);
    const { asked, code } = play(`${dhInstallsystemd('a.service')}${dhInstallsystemd('b.service')}`);
    expect(asked).toEqual([
      'deb-systemd-helper --system enable a.service b.service',
      'deb-systemd-helper --system enable a.service',
      'deb-systemd-helper --system enable b.service',
    ]);
    expect(code).toBe(0);
  });

  it('are unmasked, disabled and purged by the real program, after what waits', () => {
    symlinkSync('/dev/null', join(folder, '/etc/systemd/system/m.service'));
    const { asked } = play(
      'deb-systemd-helper enable a.service\ndeb-systemd-helper unmask m.service\ndeb-systemd-helper purge a.service\ndeb-systemd-helper --purge x',
    );
    expect(asked).toEqual([
      'deb-systemd-helper --system enable a.service',
      'deb-systemd-helper unmask m.service',
      'deb-systemd-helper purge a.service',
      'deb-systemd-helper --purge x',
    ]);
  });

  it('count as enabled unless a recorded link is missing', () => {
    symlinkSync('/x', join(folder, 'link'));
    writeFileSync(join(folder, RECORDS, 'whole.service.dsh-also'), `${folder}/link\n`);
    writeFileSync(join(folder, RECORDS, 'broken.service.dsh-also'), `${folder}/link\n${folder}/gone\n`);
    const { asked } = play(
      ['new', 'whole', 'broken']
        .map((name) => `deb-systemd-helper --quiet was-enabled ${name}.service && echo ${name} >>${folder}/log\n`)
        .join(''),
    );
    expect(asked).toEqual(['new', 'whole', 'deb-systemd-helper --quiet was-enabled broken.service', 'broken']);
  });

  it('count as installed when there is a record, and one that waits is the real program’s to judge', () => {
    writeFileSync(join(folder, USER_RECORDS, 'known.service.dsh-also'), '');
    const ask = (name: string) => `deb-systemd-helper --user debian-installed ${name}.service && echo ${name} >>${folder}/log\n`;
    const { asked } = play(`${ask('known')}${ask('new')}deb-systemd-helper --user enable asked.service\n${ask('asked')}`);
    expect(asked).toEqual([
      'known',
      'deb-systemd-helper --user enable asked.service',
      'deb-systemd-helper --user debian-installed asked.service',
      'asked',
    ]);
  });
});

describe('the folder of the helpers', () => {
  const theirs = () => {
    const path = join(folder, 'theirs');
    mkdirSync(path);
    writeFileSync(join(path, 'asked'), 'start evil.service\n');
    return path;
  };
  const played = () => play('deb-systemd-invoke start good.service').asked;

  it('is made anew in the place of a link', () => {
    symlinkSync(theirs(), join(folder, '/dev/shm/kib-helpers'));
    expect(played()).toEqual(['deb-systemd-invoke start good.service']);
    expect(readFileSync(join(folder, 'theirs/asked'), 'utf8')).toBe('start evil.service\n');
  });

  it.runIf(process.geteuid?.() === 0)('is made anew in the place of another user’s', () => {
    renameSync(theirs(), join(folder, '/dev/shm/kib-helpers'));
    chownSync(join(folder, '/dev/shm/kib-helpers'), 65_534, 65_534);
    expect(played()).toEqual(['deb-systemd-invoke start good.service']);
  });
});

describe('Python’s byte code', () => {
  it('is compiled beside the transaction, which ends after it', () => {
    program('py3compile', `sleep 0.3; echo py3compile "$@" >>${folder}/log`);
    const { asked } = play(`py3compile -p one\npy3compile -p two /usr/lib/two -V 3.11\necho done >>${folder}/log`);
    expect(asked[0]).toBe('done');
    expect(asked.slice(1).sort()).toEqual(['py3compile -p one', 'py3compile -p two /usr/lib/two -V 3.11']);
  });

  it('is tried again in the foreground, where a failure counts', () => {
    program('py3compile', `echo py3compile "$@" >>${folder}/log; case "$*" in *bad*) exit 3 ;; esac`);
    const { asked, code } = play('py3compile -p good\npy3compile -p bad');
    expect(asked.filter((line) => line.includes('bad'))).toHaveLength(2);
    expect(asked.filter((line) => line.includes('good'))).toHaveLength(1);
    expect(code).toBe(3);
  });

  it('that an attempt left is compiled by the next one', () => {
    program('py3compile', 'exit 3');
    expect(play('py3compile -p late').code).toBe(3);
    program('py3compile', `echo py3compile "$@" >>${folder}/log`);
    expect(play(':')).toEqual({ asked: ['py3compile -p late'], code: 0 });
    expect(existsSync(join(folder, '/dev/shm/kib-helpers'))).toBe(false);
  });

  it('does not hold what the maintainer script was given', () => {
    program('py3compile', 'sleep 2');
    // As debconf's confmodule does: its reader waits until nobody holds the other end any more.
    const { asked } = play(
      `(exec 3>&1; py3compile -p slow) | cat >/dev/null; echo read >>${folder}/log; cat ${folder}/dev/shm/kib-helpers/compiled >>${folder}/log 2>/dev/null || :`,
    );
    expect(asked).toEqual(['read']);
  });
});

/** What debhelper writes into a postinst for a unit that is to be enabled. */
function dhInstallsystemd(unit: string, options = ''): string {
  return `
    deb-systemd-helper ${options} unmask '${unit}' >/dev/null || true
    if deb-systemd-helper --quiet ${options} was-enabled '${unit}'; then
      deb-systemd-helper ${options} enable '${unit}' >/dev/null || true
    else
      deb-systemd-helper ${options} update-state '${unit}' >/dev/null || true
    fi
  `;
}

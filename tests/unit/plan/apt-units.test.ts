import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { raw } from '../../../src/core/index.ts';
import { withUnitsAtTheEnd } from '../../../src/plan/apt-units.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kib-units-'));
  for (const name of ['systemctl', 'deb-systemd-invoke']) program(name, `echo ${name} "$@" >>${folder}/log`);
  writeFileSync(join(folder, 'log'), '');
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
  const { text } = withUnitsAtTheEnd(raw(`PATH="$dpkg_path" sh -e ${path}`), startedLater);
  const script = text
    .replaceAll(/\/usr\/bin\/(systemctl|deb-systemd-invoke)/g, `${folder}/$1`)
    .replaceAll('dpkg_path=/usr', `dpkg_path=${folder}:/usr`)
    .replaceAll('/usr/sbin/policy-rc.d', `${folder}/policy-rc.d`);
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
    program('policy-rc.d', 'exit 101');
    expect(play('systemctl daemon-reload\ndeb-systemd-invoke start a.service').asked).toEqual([
      'systemctl daemon-reload',
      'deb-systemd-invoke start a.service',
    ]);
  });
});

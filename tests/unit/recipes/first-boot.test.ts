import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { firstBootUnit, type RunnerOptions, runnerText } from '../../../recipes/first-boot-files.ts';
import { fakeMachine } from '../../support/fake-commands.ts';

const OPTIONS: RunnerOptions = { attempts: 3, retrySeconds: 7, timeoutSeconds: 60, hostnameSeconds: 2 };

async function machine(hostname: string, scripts: Readonly<Record<string, string>>) {
  const fake = await fakeMachine({ systemctl: '', sleep: '', sync: '', uname: `cat "$root/hostname"` });
  await fake.put('hostname', `${hostname}\n`);
  for (const [name, body] of Object.entries(scripts)) await fake.put(`lib/scripts/${name}`, `#!/bin/sh\n${body}\n`);
  const paths = { folder: `${fake.root}/lib`, unit: `${fake.root}/kib-first-boot.service`, status: `${fake.root}/state/status` };
  await fake.put('kib-first-boot.service', '');
  return {
    ...fake,
    start: (options: Partial<RunnerOptions> = {}) => fake.run(runnerText({ ...OPTIONS, ...options }, paths)),
    status: () => (existsSync(paths.status) ? readFileSync(paths.status, 'utf8').trim() : ''),
    isGone: () => ![paths.folder, paths.unit, `${fake.root}/state`].some((path) => existsSync(path)),
    has: (path: string) => existsSync(`${fake.root}/${path}`),
  };
}

describe('first boot', () => {
  it('runs the scripts in order and removes itself', async () => {
    const fake = await machine('node-7', { '10-one': 'echo one', '11-two': 'echo two' });
    const { status, output } = fake.start();
    expect(status).toBe(0);
    expect(output.split('\n').filter((line) => /^(one|two)$/.test(line))).toEqual(['one', 'two']);
    expect(output).toContain('running: 10-one on node-7, attempt 1 of 3');
    expect(fake.isGone()).toBe(true);
    expect((await fake.calls()).filter((call) => call.startsWith('systemctl'))).toEqual([
      'systemctl disable --quiet kib-first-boot.service',
      'systemctl daemon-reload',
    ]);
  });

  it('tries again, then leaves a readable status and stays for the next boot', async () => {
    const fake = await machine('node-7', { '10-one': 'echo one', '11-two': 'exit 4', '12-three': 'echo three' });
    const { status, output } = fake.start();
    expect(status).toBe(1);
    expect(fake.status()).toBe('failed: 11-two exited with status 4, attempt 3 of 3; the next boot tries again');
    expect(output).not.toContain('three\n');
    expect(fake.isGone()).toBe(false);
    expect((await fake.calls()).filter((call) => call === 'sleep 7').length).toBe(2);
    // The next boot goes on with the one that failed.
    await fake.put('lib/scripts/11-two', '#!/bin/sh\necho two\n');
    const next = fake.start();
    expect([next.status, next.output.match(/^(one|two|three)$/gm)]).toEqual([0, ['two', 'three']]);
    expect(fake.isGone()).toBe(true);
  });

  it('ends a script that hangs', async () => {
    const fake = await machine('node-7', { '10-hangs': 'exec /bin/sleep 30' });
    expect(fake.start({ timeoutSeconds: 1, attempts: 1 }).status).toBe(1);
    expect(fake.status()).toContain('10-hangs took longer than 1 s');
  });

  it.each(['localhost', 'localhost.localdomain', '(none)', ''])('does not run on a machine called "%s"', async (hostname) => {
    const fake = await machine(hostname, { '10-one': 'echo one' });
    const { status, output } = fake.start();
    expect(status).toBe(1);
    expect(output).not.toContain('one\n');
    expect(fake.status()).toContain('no host name of its own after 2 s');
  });

  it('finishes what a crash between the last script and the end has left', async () => {
    const fake = await machine('node-7', {});
    expect(fake.start().status).toBe(0);
    expect(fake.isGone()).toBe(true);
  });

  it('comes before what it is told to', () => {
    expect(firstBootUnit(['ssh.service'])).toContain('\nBefore=shutdown.target ssh.service\n');
  });
});

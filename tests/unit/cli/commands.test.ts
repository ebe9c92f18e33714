import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readAccess } from '../../../src/cli/commands/ssh.ts';
import { sshArguments } from '../../../src/cli/shell.ts';
import { cli } from '../../support/cli.ts';
import { qemu, testRegistry } from '../../support/registry.ts';
import { workspace } from '../../support/workspace.ts';

const access = {
  build: 'b1',
  endpoint: { host: '127.0.0.1', port: 2222 },
  username: 'kib',
  keyFile: '/state/login-key',
  knownHostsFile: '/state/known_hosts',
};

describe('ssh', () => {
  it('uses the build’s key and pinned host key, nothing of the user’s', () => {
    expect(sshArguments(access, ['uptime']).join(' ')).toBe(
      [
        '-F none -i /state/login-key -p 2222 -l kib',
        '-o IdentitiesOnly=yes -o UserKnownHostsFile=/state/known_hosts -o GlobalKnownHostsFile=none',
        '-o StrictHostKeyChecking=yes -o LogLevel=ERROR 127.0.0.1 uptime',
      ].join(' '),
    );
  });

  it('reads how to log in, and knows a build without a machine from no build', async () => {
    const home = await workspace({ 'builds/b1/ssh.json': JSON.stringify(access), 'builds/b2/events.ndjson': '' });
    expect(await readAccess(home, 'b1')).toEqual(access);
    await expect(readAccess(home, 'b2')).rejects.toThrow('build b2 kept no machine');
    await expect(readAccess(home, 'b3')).rejects.toMatchObject({ message: 'there is no build b3', hint: 'did you mean b1?' });
  });
});

describe('seed', () => {
  it('writes the files and a key, readable by their owner alone', async () => {
    const { code, stdout, cwd } = await cli(['seed', 'debian13', '-o', 'seed']);
    expect(code).toBe(0);
    const paths = stdout.trim().split('\n');
    expect(paths.map((path) => path.replace(`${cwd}/`, ''))).toEqual(['seed/user-data', 'seed/meta-data', 'seed/login-key']);
    for (const path of paths) expect((await stat(path)).mode & 0o777).toBe(0o600);
    const userData = await readFile(join(cwd, 'seed/user-data'), 'utf8');
    expect(userData).toMatch(/^#cloud-config\n/);
    expect(parse(userData)).toMatchObject({ users: [{ name: 'debian', lock_passwd: true }] });
    expect(parse(await readFile(join(cwd, 'seed/meta-data'), 'utf8'))).toMatchObject({ 'local-hostname': 'debian13' });
  });

  it('takes a key of the user’s, and refuses what is none', async () => {
    const files = { 'id.pub': 'ssh-ed25519 AAAAC3Nz me@here\n', id: '-----BEGIN OPENSSH PRIVATE KEY-----\n' };
    const good = await cli(['seed', 'debian13', '-o', 'seed', '--ssh-key', 'id.pub', '--user', 'me'], { files });
    expect(good.stdout).not.toContain('login-key');
    expect(await readFile(join(good.cwd, 'seed/user-data'), 'utf8')).toContain('ssh-ed25519 AAAAC3Nz me@here');
    const bad = await cli(['seed', 'debian13', '-o', 'seed', '--ssh-key', 'id'], { files });
    expect(bad).toMatchObject({ code: 2, stdout: '' });
    expect(bad.stderr).toContain('holds no OpenSSH public key');
  });

  it.each([
    ['--user', 'root'],
    ['--user', 'a; rm'],
    ['--user', ''],
    ['--hostname', 'a b'],
    ['--hostname', '-x'],
  ])('refuses %s %j', async (flag, value) => {
    const { code, stderr, cwd } = await cli(['seed', 'debian13', '-o', 'seed', `${flag}=${value}`]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(`error KIB_USAGE: ${flag} must be `) as string });
    expect(await readdir(cwd)).toEqual([]);
  });

  it('writes over nothing unless told to', async () => {
    const files = { 'seed/user-data': 'mine' };
    const { code, stderr, cwd } = await cli(['seed', 'debian13', '-o', 'seed'], { files });
    expect(code).toBe(2);
    expect(stderr).toMatch(/KIB_OUTPUT_EXISTS: .*user-data is there already\nhint: add --force/);
    expect(await readFile(join(cwd, 'seed/user-data'), 'utf8')).toBe('mine');
    expect((await cli(['seed', 'debian13', '-o', 'seed', '--force'], { cwd })).code).toBe(0);
  });
});

describe('cache', () => {
  it('lists files, the largest first', async () => {
    const files = {
      'c/kib-native/downloads/small': 'x',
      'c/kib-native/bases/large': new Uint8Array(1 << 20).fill(1),
      'c/kib-native/work/20261120-031500-debian13-4f2a/scratch': 'x',
    };
    const cwd = await workspace(files);
    const { stdout } = await cli(['cache', 'ls', '--json'], { cwd, env: { XDG_CACHE_HOME: join(cwd, 'c') } });
    expect(JSON.parse(stdout)).toMatchObject({ entries: [{ path: 'bases/large' }, { path: 'downloads/small' }] });
    expect(stdout).not.toContain('scratch');
    expect((await cli(['cache'])).stdout).toMatch(/0 B in 0 files/);
  });
});

describe('gc', () => {
  it('says that nothing is left', async () => {
    expect(await cli(['gc'])).toMatchObject({ code: 0, stdout: 'nothing was left behind\n' });
  });

  it('removes what the journal of a dead build names', async () => {
    const cwd = await workspace({ 'work/overlay.qcow2': 'x' });
    const home = join(cwd, 'state');
    const env = { XDG_STATE_HOME: home };
    const lines = [
      { op: 'begin', owner: { pid: 999_999_999, identity: 'long gone' } },
      { op: 'acquire', n: 1, resource: { kind: 'path', id: join(cwd, 'work') } },
    ];
    const journal = await workspaceFile(
      home,
      'kib-native/builds/b1/journal.ndjson',
      lines.map((line) => JSON.stringify(line)).join('\n'),
    );
    const dry = await cli(['gc', '--dry-run'], { cwd, env });
    expect(dry.stdout).toContain(`path ${join(cwd, 'work')}: would be removed`);
    await stat(join(cwd, 'work'));
    const real = await cli(['gc', '--json'], { cwd, env });
    expect(JSON.parse(real.stdout)).toMatchObject({ builds: [{ id: 'b1', status: 'collected' }] });
    await expect(stat(join(cwd, 'work'))).rejects.toThrow('ENOENT');
    expect(await readFile(journal, 'utf8')).toContain('collected');
    expect((await cli(['gc'], { cwd, env })).stdout).toBe('nothing was left behind\n');
  });
});

describe('build', () => {
  const withoutQemu = () =>
    Promise.resolve({
      ...testRegistry,
      drivers: [
        { ...qemu, doctor: () => Promise.resolve([{ name: 'QEMU', status: 'missing' as const, detail: 'not installed' }]) },
      ],
    });

  it('prints events as JSON lines and the error as JSON, with the error’s status', async () => {
    const { code, stdout, stderr, cwd } = await cli(['build', 'debian13', '--json'], { registry: withoutQemu });
    expect(code).toBe(3);
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { v: number; seq: number });
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'KIB_TOOL_MISSING', class: 'environment' } });
    await expect(stat(join(cwd, 'output'))).rejects.toThrow('ENOENT');
  });

  it('goes on with the next image, and ends with the status of the first failure', async () => {
    const { code, stderr } = await cli(['build', 'debian13', 'rocky10'], { registry: withoutQemu });
    expect(code).toBe(3);
    expect(stderr.match(/KIB_TOOL_MISSING/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it('refuses to replace an image', async () => {
    const cwd = await workspace();
    const name = JSON.parse((await cli(['validate', 'debian13', '--json'])).stdout) as [{ name: string }];
    await workspaceFile(cwd, `out/${name[0].name}/manifest.json`, '{}');
    const { code, stderr } = await cli(['build', 'debian13', '--output-dir', 'out'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toMatch(/KIB_OUTPUT_EXISTS: .*already holds an image\nhint: add --force/);
  });

  it('cleans up and ends with 130 when it was interrupted before it began', async () => {
    const { code, stderr } = await cli(['build', 'debian13'], { signal: AbortSignal.abort(new Error('SIGINT')) });
    expect(code).toBe(130);
    expect(stderr).toContain('KIB_CANCELLED');
  });
});

async function workspaceFile(root: string, name: string, text: string): Promise<string> {
  const { mkdir } = await import('node:fs/promises');
  const path = join(root, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  return path;
}

import { access, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type BuildEvent, isKibError, sha256 } from '../../../src/core/index.ts';
import { collectGarbage } from '../../../src/engine/gc.ts';
import type { MachineAccess } from '../../../src/engine/request.ts';
import { bad, expectNothingLeft, fakePrograms, type House, journalOf, list, newHouse } from '../../support/house.ts';

beforeAll(fakePrograms);

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

describe('a build that works', () => {
  it('publishes its files and leaves nothing else', async () => {
    const home = await newHouse();
    const outcome = await home.run();
    expect(outcome.error).toBeUndefined();
    const final = join(home.outputDir, 'debian13');
    expect(outcome.result).toMatchObject({
      id: outcome.id,
      name: 'debian13',
      outputDir: final,
      artifacts: [{ format: 'raw', path: join(final, 'debian13.raw'), sha256: sha256('the sealed disk') }],
      isVerified: false,
    });
    expect((await readdir(final)).sort()).toEqual(['debian13.raw', 'manifest.json']);
    await expectNothingLeft(home, outcome);
    const manifest = JSON.parse(await readFile(join(final, 'manifest.json'), 'utf8')) as { name: string };
    expect(manifest.name).toBe('debian13');
    expect(outcome.result?.phases.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'base.raw ok',
      'start fake ok',
      'wait for the guest ok',
      'demo ok',
      'check the guest ok',
      'seal and power off ok',
      'raw ok',
      'clean up ok',
    ]);
  });

  it('warns once of a system that gets no updates any more', async () => {
    const warnings = async (system: string) => {
      const { events, error } = await (await newHouse({ system })).run();
      expect(error).toBeUndefined();
      return events.flatMap((event) => (event.type === 'warning' ? [`${event.code} ${event.message}`] : []));
    };
    expect(await warnings('centos7')).toEqual([expect.stringMatching(/^KIB_END_OF_LIFE CentOS 7 .* since 2024-06-30;/)]);
    expect(await warnings('debian13')).toEqual([]);
  });

  it('tells what happens, in the log folder as to its readers', async () => {
    const home = await newHouse();
    const iterated: BuildEvent[] = [];
    let reading: Promise<void> | undefined;
    const { id, events, result } = await home.run((handle) => {
      reading = (async () => {
        for await (const event of handle) iterated.push(event);
      })();
    });
    await reading;
    expect(iterated).toEqual(events);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events[0]).toMatchObject({ type: 'span.start', kind: 'build', span: 1, build: id });
    expect(events.at(-1)).toMatchObject({ type: 'span.end', span: 1, status: 'ok' });
    expect(events.find(({ type }) => type === 'plan')).toMatchObject({ actions: 4, layers: ['boot', 'demo'], checks: 1 });
    const actions = events.filter((event) => event.type === 'span.start' && event.kind === 'action');
    expect(actions).toMatchObject([
      { name: 'say hello' },
      { name: 'say more' },
      { name: 'write everything to the disk' },
      { name: 'remove the login' },
    ]);
    expect(events.filter(({ type }) => type === 'artifact')).toHaveLength(1);
    const logged = (await readFile(join(result?.logs ?? '', 'events.ndjson'), 'utf8')).trimEnd().split('\n');
    expect(logged.map((line) => JSON.parse(line) as BuildEvent)).toEqual(events);
  });

  it('replaces an image only when forced', async () => {
    const home = await newHouse();
    await mkdir(join(home.outputDir, 'debian13'), { recursive: true });
    await writeFile(join(home.outputDir, 'debian13', 'old'), '');
    const refused = await home.run();
    expect(refused.error).toMatchObject({ code: 'KIB_OUTPUT_EXISTS' });
    expect(home.steps).not.toContain('launch');
    const forced = await newHouse({ force: true, outputDir: home.outputDir });
    expect((await forced.run()).error).toBeUndefined();
    expect(await list(home.outputDir)).toEqual(['debian13']);
    expect((await readdir(join(home.outputDir, 'debian13'))).sort()).toEqual(['debian13.raw', 'manifest.json']);
  });
});

describe('a build whose action fails', () => {
  it('names the action and leaves nothing', async () => {
    const home = await newHouse({ recipes: [bad] });
    const outcome = await home.run();
    expect(outcome.error).toMatchObject({ code: 'KIB_ACTION_FAILED' });
    expect(isKibError(outcome.error) ? outcome.error.message : '').toMatch(/demo\/2.*break[^]*last words/);
    await expectNothingLeft(home, outcome);
    expect(outcome.events.at(-1)).toMatchObject({ type: 'span.end', status: 'failed', error: { code: 'KIB_ACTION_FAILED' } });
  });

  it('keeps the machine when asked to, until gc is told to remove it', async () => {
    const home = await newHouse({ recipes: [bad], onError: 'keep' });
    const { id, error, events } = await home.run();
    expect(error).toMatchObject({ code: 'KIB_ACTION_FAILED' });
    expect(home.steps).toContain('release');
    const [machine] = [...home.fake.running.keys()];
    expect(machine).toBe('fake-1');
    const journal = await journalOf(home, id);
    const work = join(home.cacheHome, 'work', id);
    expect(journal).toMatchObject({ isKept: true, isEnded: true });
    const logs = join(home.stateHome, 'builds', id);
    const login = ['ssh.json', 'known_hosts', 'login-key'].map((name) => join(logs, name));
    // Its disk lies in the store of layers; what claims them belongs to the process.
    const layers = join(home.cacheHome, 'layers');
    expect(journal.held.filter(({ id }) => id.startsWith(join(layers, '.part-')))).toHaveLength(1);
    expect(journal.held.filter(({ id }) => !id.startsWith(layers))).toEqual([
      ...login.map((path) => ({ kind: 'path', id: path })),
      { kind: 'fake:machine', id: 'fake-1' },
      { kind: 'path', id: work },
    ]);
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_KEPT' }));
    expect(isKibError(error) && error.hint).toBe(`kib-native ssh ${id}, then run the script as root by sh -eu`);

    const access = JSON.parse(await readFile(join(logs, 'ssh.json'), 'utf8')) as MachineAccess;
    expect(access).toEqual({
      build: id,
      endpoint: home.fake.running.get('fake-1')?.endpoint,
      username: 'kib',
      keyFile: join(logs, 'login-key'),
      knownHostsFile: join(logs, 'known_hosts'),
    });
    for (const path of login) expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(access.knownHostsFile, 'utf8')).toMatch(/^\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+\n$/);
    // A connection left open would keep the process of a finished build alive.
    await vi.waitFor(() => expect(home.fake.running.get('fake-1')?.openConnections()).toBe(0));

    const gc = { stateHome: home.stateHome, drivers: [home.fake.driver], dryRun: false, signal: home.controller.signal };
    expect((await collectGarbage(gc)).builds).toMatchObject([{ status: 'kept' }]);
    expect(await exists(work)).toBe(true);
    expect((await collectGarbage({ ...gc, builds: [id] })).builds).toMatchObject([{ status: 'collected' }]);
    expect([home.fake.running.size, await exists(work)]).toEqual([0, false]);
    expect(await Promise.all(login.map(exists))).toEqual([false, false, false]);
  });

  it('opens a shell on the machine when asked to, and cleans up behind it', async () => {
    const seen: string[] = [];
    const home: House = await newHouse({
      recipes: [bad],
      onError: 'shell',
      openShell: async (access) => {
        seen.push(access.username, await readFile(access.keyFile, 'utf8'), [...home.fake.running.keys()].join());
      },
    });
    const outcome = await home.run();
    expect(outcome.error).toMatchObject({ code: 'KIB_ACTION_FAILED' });
    expect(seen).toEqual(['kib', expect.stringContaining('OPENSSH PRIVATE KEY'), 'fake-1']);
    await expectNothingLeft(home, outcome);
  });

  it('still says why when the shell cannot be opened', async () => {
    const openShell = () => Promise.reject(new Error('no terminal'));
    const home = await newHouse({ recipes: [bad], onError: 'shell', openShell });
    const outcome = await home.run();
    expect(outcome.error).toMatchObject({ code: 'KIB_ACTION_FAILED', suppressed: [new Error('no terminal')] });
    expect(outcome.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_KEEP_FAILED' }));
    await expectNothingLeft(home, outcome);
  });
});

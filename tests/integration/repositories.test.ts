import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/index.ts';
import { keyFacts } from '../../src/engine/repositories/index.ts';
import { planBuild } from '../../src/plan/planner.ts';
import { makeXfs } from '../support/disks.ts';
import { recipe } from '../support/house.ts';
import { resolvedImage } from '../support/plan.ts';
import { planOf, release, repositoryWorld } from '../support/repository-world.ts';

const DAY = 86_400_000;
const { world, baseOf, debian, tool, read, asked, warnings } = repositoryWorld();

describe('readRepositories', () => {
  it.each(['raw', 'qcow2', 'vmdk'] as const)('reads the sources of a base in %s, and what the plan adds', async (format) => {
    const state = await read(await debian(format), planOf('debian13', [tool('/tool/')]));
    expect(state).toMatchObject({ seenMs: world.now });
    expect(state?.fingerprints.map(({ url }) => url)).toEqual([
      `${world.server.url}/debian/dists/trixie-updates/InRelease`,
      `${world.server.url}/debian/dists/trixie/InRelease`,
      `${world.server.url}/tool/Release`,
    ]);
    expect(keyFacts(state).repositories).toEqual(state?.fingerprints.map(({ url, sha256: hex }) => `${hex} ${url}`));
    expect(warnings()).toEqual([]);
    expect(world.context.journal.held).toEqual([]);
  });

  it('asks nobody when no packages are installed', async () => {
    const plan = planBuild(resolvedImage('debian13', {}, { registry: [recipe('demo', []), recipe('seal', [])] }));
    expect(await read(await debian(), plan)).toBeUndefined();
    expect(keyFacts(undefined)).toEqual({});
    expect(asked()).toEqual([]);
  });

  it('only asks whether anything changed the next time, and takes up what did', async () => {
    const base = await debian();
    const first = await read(base);
    const before = world.server.requests.length;
    world.now += DAY;
    expect(await read(base)).toEqual({ ...first, seenMs: world.now });
    expect(asked().slice(before).sort()).toEqual([
      '/debian/dists/trixie-updates/InReleaseSat, 14 Nov 2026 10:00:00 GMT',
      '/debian/dists/trixie/InRelease"1"',
    ]);
    world.pages['/debian/dists/trixie/InRelease'] = { text: release('trixie', 'other'), etag: '"2"' };
    const third = await read(base);
    expect(third?.fingerprints[0]).toEqual(first?.fingerprints[0]);
    expect(third?.fingerprints[1]?.sha256).not.toBe(first?.fingerprints[1]?.sha256);
  });

  it('does not mind an archive that was signed anew', async () => {
    const base = await debian();
    const first = await read(base);
    world.pages['/debian/dists/trixie/InRelease'] = {
      text: release('trixie', 'one', 'Thu, 19 Nov 2026 10:00:00 UTC'),
      etag: '"2"',
    };
    expect(await read(base)).toEqual(first);
  });

  it('reads the disk of a base once', async () => {
    const base = await debian();
    const first = await read(base);
    await rm(base.path);
    expect(await read(base)).toEqual(first);
  });

  it('knows the repositories of Rocky Linux: variables, lists of mirrors, Metalinks', async () => {
    const repo = [
      '[baseos]\nmirrorlist=URL/mirrorlist?arch=$basearch&repo=BaseOS-$releasever$rltype\nenabled=1',
      '[appstream]\nmetalink=URL/metalink?repo=AppStream-$releasever',
      '[extras]\nbaseurl=URL/$contentdir/$releasever/extras/',
      '[devel]\nbaseurl=URL/never/\nenabled=0\n',
    ].join('\n');
    const path = join(world.dir, 'rocky.xfs');
    const tree = {
      '/etc/os-release': 'ID="rocky"\nVERSION_ID="10.1"\n',
      '/etc/yum.repos.d/rocky.repo': repo.replaceAll('URL', world.server.url),
      '/etc/dnf/vars/contentdir': 'pub/rocky\n',
      '/etc/dnf/vars/rltype': '',
    };
    await makeXfs(path, tree, world.dir);
    const hash = sha256('app');
    world.pages = {
      '/mirrorlist?arch=x86_64&repo=BaseOS-10': { text: `# list\n${world.server.url}/dead/\n${world.server.url}/alive/` },
      '/alive/repodata/repomd.xml': { text: '<repomd/>' },
      '/metalink?repo=AppStream-10': {
        text: `<metalink><files><file name="repomd.xml"><verification><hash type="md5">x</hash><hash type="sha256">${hash}</hash></verification>
          <mm0:alternates><mm0:alternate><verification><hash type="sha256">${sha256('old')}</hash></verification></mm0:alternate></mm0:alternates></file></files></metalink>`,
      },
      '/pub/rocky/10/extras/repodata/repomd.xml': { text: '<repomd>2</repomd>' },
      '/tool/repodata/repomd.xml': { text: '<repomd>3</repomd>' },
    };
    const base = await baseOf(path, 'raw');
    const plan = planOf('rocky10', [tool('/tool')]);
    const state = await read(base, plan);
    expect(state?.fingerprints).toEqual([
      { url: `${world.server.url}/metalink#appstream`, sha256: hash },
      { url: `${world.server.url}/mirrorlist#baseos`, sha256: sha256('<repomd/>') },
      { url: `${world.server.url}/pub/rocky/10/extras/repodata/repomd.xml`, sha256: sha256('<repomd>2</repomd>') },
      { url: `${world.server.url}/tool/repodata/repomd.xml`, sha256: sha256('<repomd>3</repomd>') },
    ]);
    // Another mirror comes first world.now, but the one that was asked before is asked again.
    world.pages['/mirrorlist?arch=x86_64&repo=BaseOS-10'] = { text: `${world.server.url}/behind/\n${world.server.url}/alive/` };
    world.pages['/behind/repodata/repomd.xml'] = { text: '<repomd>older</repomd>' };
    expect(await read(base, plan)).toEqual(state);
  });
});

describe('a base that cannot be read', () => {
  it('is warned of; what the plan adds is watched all the same', async () => {
    const path = join(world.dir, 'btrfs.raw');
    const disk = Buffer.alloc(1 << 20);
    disk.write('_BHRfS_M', 65_600);
    await writeFile(path, disk);
    const base = await baseOf(path, 'raw');
    const state = await read(base, planOf('debian13', [tool('/tool/')]));
    expect(state?.fingerprints.map(({ url }) => url)).toEqual([`${world.server.url}/tool/Release`]);
    const warning = { code: 'KIB_INSPECT', message: expect.stringMatching(/not watched.*the whole disk: btrfs/) as string };
    expect(warnings()).toMatchObject([warning]);
    await read(base);
    expect(warnings()).toMatchObject([warning, warning]);
  });

  it('passes an abort on and remembers nothing', async () => {
    const base = await debian();
    world.context.abort();
    await expect(read(base)).rejects.toMatchObject({ code: 'KIB_CANCELLED' });
    expect(await stat(join(world.context.dirs.cache, 'repositories', 'bases')).catch(() => undefined)).toBeUndefined();
  });
});

import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { vmware } from '../../drivers/vmware/driver.ts';
import type { LaunchRequest, RunningMachine } from '../../src/core/index.ts';
import { pruneFiles } from '../../src/engine/prune-files.ts';
import { countingSignal } from '../../src/testing/counting-signal.ts';
import { atJournalLine, atMoment, CANCELLED, fuzz } from '../../src/testing/outcome.ts';
import { collectAfterKill, countOn } from '../support/contract-guest.ts';
import { filesBelow } from '../support/leftovers.ts';
import { type TestContext, testContext } from '../support/test-context.ts';
import { TINY_GUEST_COUNTS, tinyGuestRequest } from '../support/tiny-guest.ts';
import { onVmwareRig } from '../support/vmware/on-rig.ts';
import type { VmwareRig } from '../support/vmware/rig.ts';
import { greeted } from './describe-driver.ts';

const { signal } = new AbortController();

await onVmwareRig(describeClones);

function describeClones(rig: VmwareRig, dir: string): void {
  const given = { vmrun: rig.vmrun, leases: [rig.leases], vmx: { 'kib.tools': '192.0.2.1' } };
  const options = vmware.options.parse(given);
  let count = 0;

  /** A guest whose machine is to become layers, and a cache for it. */
  async function setup() {
    const folder = await mkdtemp(join(dir, 'clones-'));
    const cache = join(folder, 'cache');
    await mkdir(cache);
    const request = await tinyGuestRequest(join(folder, 'guest.img'), { counting: true });
    const place = async () => {
      const next = join(folder, `layer-${++count}`);
      await mkdir(next);
      return { folder: next, backing: '../guest.img' };
    };
    const launch = async (context: TestContext, change: Partial<LaunchRequest> = {}) =>
      vmware.launch({ ...request, disk: await place(), ...change }, options, context);
    return { folder, cache, request, place, launch };
  }

  /** Names in the folder of kept machines, keys as `kept`. */
  const names = (cache: string) => filesBelow(join(cache, 'vmware')).map((name) => name.replace(/^[0-9a-f]{64}/, 'kept'));
  const DAMAGED = 'kept/kept.vmsd';
  const WHOLE = [
    'kept',
    ...['disk-000001.vmdk', 'disk.vmdk', 'kept-Snapshot1.vmsn', 'kept.vmsd', 'kept.vmx', 'stamp'].map((name) => `kept/${name}`),
  ];
  const diskOf = (cache: string) =>
    join(cache, 'vmware', filesBelow(join(cache, 'vmware')).find((name) => name.endsWith('/disk.vmdk')) ?? '');
  const counts = (machine: RunningMachine) => greeted(machine, TINY_GUEST_COUNTS);
  const prune = async (cache: string, { clock }: TestContext) =>
    (await pruneFiles({ cacheDir: cache, olderThanMs: 0, signal, clock })).map(({ path }) => path);

  /** As another build leaves a kept machine that then loses its snapshot. */
  async function leaveDamaged(cache: string, launch: (context: TestContext) => Promise<RunningMachine>): Promise<void> {
    await using earlier = await testContext({ cache });
    await (await launch(earlier))[Symbol.asyncDispose]();
    await rm(join(diskOf(cache), '..', basename(DAMAGED)));
  }

  describe('linked clones of VMware', () => {
    it('convert a base once, for machines that start on it now and later', async () => {
      const { cache, launch } = await setup();
      await using context = await testContext({ cache });
      const machines = await Promise.all([launch(context), launch(context)]);
      await Promise.all(machines.map(counts));
      const first = await stat(diskOf(cache));
      for (const machine of machines) await machine[Symbol.asyncDispose]();
      expect(names(cache).sort()).toEqual(WHOLE);
      await using again = await launch(context);
      await counts(again);
      const { ino, mtimeMs, ctimeMs } = await stat(diskOf(cache));
      expect({ ino, mtimeMs, ctimeMs }).toEqual({ ino: first.ino, mtimeMs: first.mtimeMs, ctimeMs: first.ctimeMs });
      const [work = ''] = readdirSync(context.dirs.work);
      expect(await readFile(join(context.dirs.work, work, `${work}.vmx`), 'utf8')).toMatch(
        /scsi0:0\.fileName = "kib-.*-cl1\.vmdk"/,
      );
    });

    it('go on from where a layer was frozen', async () => {
      const { folder, cache, place, launch } = await setup();
      await using context = await testContext({ cache });
      const first = await place();
      const machine = await launch(context, { disk: first });
      await counts(machine);
      await machine.freezer?.freeze({ next: await place(), memory: false, signal });
      await machine[Symbol.asyncDispose]();
      const path = join(first.folder, 'disk.qcow2');
      const frozenAt = await countOn(path, folder);
      const base = { path, format: 'qcow2' } as const;
      for (let n = 0; n < 2; n++) {
        await using next = await launch(context, { base });
        const said = await counts(next);
        expect(Number(said.slice(TINY_GUEST_COUNTS.length))).toBeGreaterThanOrEqual(frozenAt);
      }
      expect(names(cache).filter((name) => name === 'kept')).toHaveLength(2);
    });

    const stops = [
      ['step', 'making', (step: number) => ({ signal: countingSignal(step) })],
      ['moment', 'making', atMoment],
      ['journal line', 'making again', atJournalLine],
    ] as const;

    it.for(stops)('leave no half machine and no claim, at whichever %s of %s one they are aborted', async ([, what, stopAt]) => {
      const { folder, launch } = await setup();
      const cacheOf = (n: number) => join(folder, `cache-${n}`);
      const outcomes = await fuzz(
        (n) => ({ ...stopAt(n), cache: cacheOf(n) }),
        async (context) => {
          const { cache } = context.dirs;
          if (what === 'making again') await leaveDamaged(cache, launch);
          await (await launch(context))[Symbol.asyncDispose]();
        },
      );
      expect(outcomes.length).toBeGreaterThan(3);
      for (const outcome of outcomes) expect(outcome).toEqual(CANCELLED);
      const left = outcomes.map((_, index) => names(cacheOf(index + 1)).sort());
      const damaged = WHOLE.filter((name) => name !== DAMAGED);
      for (const one of left) expect([[], WHOLE, damaged]).toContainEqual(one);
      // Some were aborted before it was there.
      expect(left).toContainEqual([]);
    });

    const damages = ['kept.vmsd', 'kept.vmx', 'disk.vmdk'];
    it.for(damages)('are made of a machine that is made again when it has lost its %s', async (lost) => {
      const { cache, launch } = await setup();
      await using context = await testContext({ cache });
      await (await launch(context))[Symbol.asyncDispose]();
      await rm(join(diskOf(cache), '..', lost));
      await using machine = await launch(context);
      await counts(machine);
      expect(context.events).toContainEqual(expect.objectContaining({ type: 'warning', code: 'KIB_DIGEST_MISMATCH' }));
      expect(names(cache)).toEqual(expect.arrayContaining(WHOLE));
    });

    it('keep what they are clones of from being pruned, also when their build is gone', async () => {
      const { cache, launch } = await setup();
      await using context = await testContext({ cache });
      const machine = await launch(context);
      expect(await prune(cache, context)).toEqual([]);
      const left = await testContext({ cache });
      await (await launch(left)).release();
      await left.scope[Symbol.asyncDispose]();
      await machine[Symbol.asyncDispose]();
      expect(await prune(cache, context)).toEqual([]);
      expect(names(cache)).toEqual(expect.arrayContaining(WHOLE));
      for (const resource of [...left.journal.held].reverse()) {
        if (resource.kind === 'path') await rm(resource.id, { recursive: true, force: true });
        else await vmware.reap(resource);
      }
      expect(await prune(cache, context)).toEqual([expect.stringMatching(/^vmware\/[0-9a-f]{64}$/)]);
      expect(names(cache)).toEqual([]);
      await left[Symbol.asyncDispose]();
    });

    it('leave a half made machine to gc after kill -9', async () => {
      const { folder, cache, request, place } = await setup();
      // It hangs when the disk is there and its snapshot is not.
      const vmrun = join(folder, 'vmrun');
      const begun = join(folder, 'begun');
      const script = `#!/bin/sh\n[ "$3" = snapshot ] && { touch '${begun}'; exec sleep 600; }\nexec '${rig.vmrun}' "$@"\n`;
      await writeFile(vmrun, script, { mode: 0o755 });
      const build = `killed-clones-${process.pid}`;
      const killed = {
        dir: folder,
        build,
        options: { ...given, vmrun },
        request: { ...request, disk: await place() },
        until: async () => {
          while (!existsSync(begun)) await sleep(20);
        },
      };
      const said = await collectAfterKill(vmware, killed, () => {
        expect(names(cache)).toContainEqual(expect.stringMatching(/^\.part-killed-clones-.*\/disk\.vmdk$/));
        expect(names(cache)).toContainEqual(expect.stringMatching(/^kept\.lock-/));
      });
      expect(said).toEqual([`${build} running`, `${build} collected`, `${build} clean`]);
      expect(names(cache)).toEqual([]);
      expect(filesBelow(join(folder, 'work'))).toEqual([]);
    });

    it('are none where no layers are wanted', async () => {
      const { cache, request } = await setup();
      await using context = await testContext({ cache });
      await using machine = await vmware.launch(request, options, context);
      await counts(machine);
      expect(names(cache)).toEqual([]);
    });
  });
}

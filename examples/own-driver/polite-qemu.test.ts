import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { describeDriver, hasTinyGuestWritten, TINY_GUEST_LINES, testContext, tinyGuestRequest } from 'kib-native/testing';
import * as vitest from 'vitest';
import politeQemu from './polite-qemu.ts';

const options = politeQemu.options.parse({});

describeDriver(vitest, {
  driver: politeQemu,
  options,
  guest: (dir) => tinyGuestRequest(join(dir, 'guest.img')),
  deafGuest: (dir) => tinyGuestRequest(join(dir, 'deaf.img'), { deaf: true }),
  greeting: TINY_GUEST_LINES[1],
  hasWritten: async (disk, dir) => {
    if (disk.kind !== 'file') return false;
    const raw = join(dir, 'sealed.img');
    execFileSync('qemu-img', ['convert', '-f', disk.format, '-O', 'raw', disk.path, raw]);
    return hasTinyGuestWritten(await readFile(raw));
  },
  kill: (machine) => process.kill(Number(machine.id.split(' ').at(-1)), 'SIGKILL'),
});

vitest.it('steps back', async () => {
  await using context = await testContext();
  const machine = await politeQemu.launch(await tinyGuestRequest(join(context.root, 'guest.img')), options, context);
  vitest.expect(getPriority(Number(machine.id.split(' ').at(-1)))).toBe(10);
});

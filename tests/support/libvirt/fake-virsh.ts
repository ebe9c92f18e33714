import { copyFile, mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { virshError } from '../../../drivers/libvirt/errors.ts';
import type { Virsh } from '../../../drivers/libvirt/virsh.ts';
import { create } from '../../../src/io/qemu-img.ts';

const { signal } = new AbortController();

export interface FakeVirsh extends Virsh {
  /** Commands, without the file that virsh reads or writes. */
  readonly commands: readonly string[];
  /** File of a volume. */
  volume(name: string): string;
}

/** virsh as far as volumes go, which are files in `folder`; every other command only gets written down. `onRun` comes before a command does anything. */
export async function fakeVirsh(folder: string, onRun: (command: string) => void = () => {}): Promise<FakeVirsh> {
  await mkdir(folder, { recursive: true });
  const commands: string[] = [];
  const volume = (name: string): string => join(folder, name);
  const note = (args: readonly string[]): string => {
    const command = args.join(' ');
    commands.push(command);
    onRun(command);
    return args.at(-1) ?? '';
  };
  return {
    place: 'fake host',
    isRemote: true,
    commands,
    volume,
    async run(args) {
      const name = note(args);
      if (args[0] === 'vol-path') return `${volume(name)}\n`;
      if (args[0] === 'vol-dumpxml') return `<physical unit='bytes'>${await bytesOf(volume(name), args)}</physical>`;
      if (args[0] === 'pool-info') return `Name: pool\nAvailable: ${1024 ** 3}\n`;
      return '';
    },
    async send(args, path) {
      const name = note(args);
      if (args[0] === 'vol-upload') await copyFile(path, volume(name));
      if (args[0] === 'vol-create') await makeVolume(await readFile(path, 'utf8'), volume);
    },
    async receive(args, path) {
      await copyFile(volume(note(args)), path);
    },
    tunnel: () => Promise.reject(new Error('not for this test')),
    unref: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

async function bytesOf(path: string, args: readonly string[]): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    throw virshError({ args, stderr: 'error: Storage volume not found', exitCode: 1, place: 'fake host' });
  }
}

async function makeVolume(xml: string, volume: (name: string) => string): Promise<void> {
  const value = (pattern: RegExp): string | undefined => pattern.exec(xml)?.[1];
  const name = value(/<name>(.*)<\/name>/) ?? '';
  const backing = value(/<backingStore>\s*<path>(.*)<\/path>/);
  await create(
    {
      path: volume(name),
      format: 'qcow2',
      bytes: Number(value(/<capacity[^>]*>(\d+)</)),
      ...(backing === undefined ? {} : { backing: { path: backing, format: 'qcow2' } }),
    },
    signal,
  );
}

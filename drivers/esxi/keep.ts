import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Context, KibError } from '../../src/core/index.ts';
import { type Vmx, vmxText, withoutSettings } from '../../src/io/vmx.ts';
import { isOfTheBuild } from '../../src/io/vmx-hardware.ts';
import type { EsxiOptions } from './options.ts';
import { rootFolder } from './place.ts';
import { registered } from './resources.ts';
import { type EsxiShell, failedAs } from './shell.ts';
import { register } from './vm.ts';
import { DISK } from './vmx.ts';

export interface KeepRequest {
  readonly shell: EsxiShell;
  readonly keepAs: string;
  /** Folder of the machine on the datastore, whose disk moves. */
  readonly folder: string;
  readonly local: string;
  readonly settings: Vmx;
  readonly options: EsxiOptions;
}

/** Makes a registered machine of a sealed one’s disk, without what is of the build alone. Until it is whole it goes with the build. */
export async function keepMachine(
  { shell, keepAs, folder, local, settings, options }: KeepRequest,
  context: Context,
): Promise<void> {
  const { signal } = context;
  const target = `${rootFolder(options)}/${keepAs}`;
  const vmx = `${target}/${keepAs}.vmx`;
  const keepFolder = await registered({ kind: 'esxi:path', id: target, options }, shell, context.scope, context);
  const steady = new AbortController().signal;
  // Without -p: somebody else’s folder is not taken over, nor removed.
  await shell.run(['mkdir', target], steady).catch(async (error: unknown) => {
    if (!failedAs(error, 'taken')) throw error;
    await keepFolder();
    throw nameTaken(shell, keepAs, target);
  });
  const keepVm = await registered({ kind: 'esxi:vm', id: vmx, options }, shell, context.scope, context);
  await shell.run(['vmkfstools', '-E', `${folder}/${DISK}`, `${target}/${DISK}`], steady);
  const text = join(local, 'kept.vmx');
  const kept = new Map([...withoutSettings(settings, isOfTheBuild), ['displayName', keepAs] as const]);
  await writeFile(text, vmxText(kept));
  await shell.upload(text, vmx, signal);
  await register(shell, vmx, steady);
  await keepVm();
  await keepFolder();
  context.span.note(`machine ${keepAs} is kept on ${shell.place}`);
}

/** `folder` is where it would be. */
export function nameTaken(shell: EsxiShell, keepAs: string, folder: string): KibError {
  return new KibError('KIB_ESXI_NAME_TAKEN', `${shell.place} has a machine ${keepAs} already, or a folder ${folder}`, {
    hint: 'choose another keepAs, or remove that machine',
  });
}

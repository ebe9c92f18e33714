import { z } from 'zod';
import {
  type ArtifactSubject,
  type Context,
  type ImageAbility,
  type ImageFormat,
  KibError,
  type PublishedImages,
  type RemoteBase,
  type RemoteImage,
  type SealedDisk,
  sha256,
  throwIfAborted,
} from '../../src/core/index.ts';
import { Vcenter } from './client.ts';
import { makeMachine } from './clone.ts';
import { findBase } from './find-base.ts';
import { readMachine } from './hardware.ts';
import { deleteItem, findItems, findLibrary, readItem } from './library.ts';
import { pollMs, taskMs, type VsphereOptions } from './options.ts';
import { machinesSchema, own, powerState, removeMachine } from './owned.ts';
import { resolvePlacement } from './placement.ts';
import { requireViJson, viCall, viProperty, viTask } from './vi-json.ts';

/** Templates: what to start from, and what is made of a stopped machine. */
export const images: ImageAbility<VsphereOptions> = { findBase, publish, baseOf, exists, remove };

async function publish(
  disk: SealedDisk,
  format: ImageFormat,
  subject: ArtifactSubject,
  options: VsphereOptions,
  context: Context,
): Promise<PublishedImages> {
  if (format !== 'template' || disk.kind !== 'remote') {
    throw new KibError(
      'KIB_DRIVER_CANNOT',
      `vSphere makes a template of a stopped machine, not ${format} of a ${disk.kind} disk`,
    );
  }
  const vcenter = context.scope.use('vCenter session', await Vcenter.open(options, context));
  const name = options.template.name ?? subject.name;
  return options.template.kind === 'library'
    ? libraryTemplate(vcenter, disk.id, name, options, context)
    : machineTemplate(vcenter, disk.id, name, subject, options, context);
}

/** Made under a name of the build and renamed when it is whole, so that what is removed by name can only be ours. */
async function libraryTemplate(
  vcenter: Vcenter,
  vm: string,
  name: string,
  options: VsphereOptions,
  context: Context,
): Promise<PublishedImages> {
  const { signal, buildId } = context;
  const { folder, resourcePool, host, datastore } = await resolvePlacement(vcenter, options, { keepsNetwork: true }, signal);
  const place = options.template.library ?? options.library;
  const library = await findLibrary(vcenter, place, datastore.id, signal);
  if ((await findItems(vcenter, { name, library_id: library }, signal)).length > 0)
    throw taken(vcenter, `library ${place}`, name);
  const making = `kib-${buildId}-template`;
  const owned = await own('item', vcenter, { name: making, library }, context);
  throwIfAborted(signal);
  const storage = { datastore: datastore.id };
  const { description } = options.template;
  const body = {
    source_vm: vm,
    name: making,
    library,
    ...(description === undefined ? {} : { description }),
    vm_home_storage: storage,
    disk_storage: storage,
    placement: { folder, resource_pool: resourcePool, host },
  };
  const id = await vcenter.call(
    { method: 'POST', path: '/api/vcenter/vm-template/library-items', body, timeoutMs: taskMs(options) },
    z.string(),
  );
  throwIfAborted(signal);
  return {
    images: [imageOf(name, `library ${place}`, 'library', `vm-template:${id}`, options)],
    keep: async () => {
      await vcenter.send({ method: 'PATCH', path: `/api/content/library/item/${id}`, body: { name } });
      await owned.keep();
    },
  };
}

/** A copy of the machine under the image's name; it becomes a template when it is kept, since REST does not see one. */
async function machineTemplate(
  vcenter: Vcenter,
  vm: string,
  name: string,
  { machine }: ArtifactSubject,
  options: VsphereOptions,
  context: Context,
): Promise<PublishedImages> {
  const { signal } = context;
  const isTemplate = options.template.kind === 'inventory';
  if (isTemplate) await requireViJson(vcenter, 'a template of the inventory', 'driver.template.kind: library', signal);
  const placement = await resolvePlacement(vcenter, options, { keepsNetwork: true }, signal);
  const there = await vcenter.call({ method: 'GET', path: '/api/vcenter/vm', query: { names: name }, signal }, machinesSchema);
  if (there.length > 0) throw taken(vcenter, 'the inventory', name);
  const owned = await own('vm', vcenter, { name }, context);
  const source = { kind: 'vm', id: vm, isTemplate: false } as const;
  const id = await makeMachine(vcenter, source, { name, placement, machine }, options, context);
  return {
    images: [imageOf(name, options.folder ?? 'the inventory', options.template.kind, `vm:${id}`, options)],
    keep: async () => {
      if (isTemplate) await viCall(vcenter, { type: 'VirtualMachine', id }, 'MarkAsTemplate', {}, z.unknown());
      await owned.keep();
    },
  };
}

function imageOf(
  name: string,
  location: string,
  kind: VsphereOptions['template']['kind'],
  base: string,
  { server }: VsphereOptions,
): RemoteImage {
  return { format: 'template', id: name, location, facts: { kind, base, vcenter: server } };
}

function taken({ server }: Vcenter, where: string, name: string): KibError {
  return new KibError('KIB_VSPHERE_NAME_TAKEN', `${where} of ${server} has a ${name} already`, {
    hint: 'remove it, or give driver.template.name',
  });
}

function baseOf({ id, facts }: RemoteImage): RemoteBase {
  const base = facts['base'] ?? '';
  return { kind: 'remote', source: { kind: 'template', name: id }, id: base, sha256: sha256(base), facts };
}

async function exists(image: RemoteImage, options: VsphereOptions, context: Context): Promise<boolean> {
  await using vcenter = await Vcenter.open(options, context);
  const id = idIn(image);
  if (image.facts['kind'] === 'library') return (await readItem(vcenter, id, context.signal))?.name === image.id;
  if (image.facts['kind'] === 'inventory') {
    const object = { type: 'VirtualMachine', id } as const;
    return (await viProperty(vcenter, object, 'name', z.string(), context.signal).catch(() => undefined)) === image.id;
  }
  if ((await powerState(vcenter, id, context.signal)) === undefined) return false;
  return (await readMachine(vcenter, id, context.signal)).name === image.id;
}

async function remove(image: RemoteImage, options: VsphereOptions, context: Context): Promise<void> {
  await using vcenter = await Vcenter.open(options, context);
  const id = idIn(image);
  if (image.facts['kind'] === 'library') await deleteItem(vcenter, id);
  else if (image.facts['kind'] === 'machine') await removeMachine(vcenter, id);
  else if (await exists(image, options, context)) {
    const waiting = { timeoutMs: taskMs(options), pollMs: pollMs(options) };
    await viTask(vcenter, { type: 'VirtualMachine', id }, 'Destroy_Task', {}, waiting, context);
  }
}

function idIn({ facts }: RemoteImage): string {
  return (facts['base'] ?? '').replace(/^[a-z-]+:/, '');
}

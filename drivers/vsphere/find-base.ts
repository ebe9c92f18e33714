import { z } from 'zod';
import { type Context, KibError, type MachineSpec, type RemoteBase, type RemoteSource, sha256 } from '../../src/core/index.ts';
import { Vcenter } from './client.ts';
import type { Source } from './clone.ts';
import { findItems, readItem } from './library.ts';
import type { VsphereOptions } from './options.ts';
import { machinesSchema } from './owned.ts';
import { findByPath, hasViJson } from './vi-json.ts';

/** One thing of that name. */
interface Found {
  readonly source: Source;
  /** For people: where it is. */
  readonly place: string;
  /** What tells its content. */
  readonly content: string;
}

/**
 * Looks a base up by its name: a machine of the inventory, an OVF or template of a content library (`library/item` says which), or a template of the
 * inventory, which only VI-JSON shows. Throws KIB_BASE_MISSING.
 */
export async function findBase(
  source: RemoteSource,
  _machine: MachineSpec,
  options: VsphereOptions,
  context: Context,
): Promise<RemoteBase> {
  if (source.kind !== 'template')
    throw new KibError('KIB_DRIVER_CANNOT', `vSphere has templates, no base of kind ${source.kind}`);
  await using vcenter = await Vcenter.open(options, context);
  const { name } = source;
  const found = [
    ...(await machines(vcenter, name, options, context.signal)),
    ...(await items(vcenter, name, context.signal)),
    ...(await inventoryTemplate(vcenter, name, options, context.signal)),
  ];
  const [only] = found;
  if (only === undefined) throw await missing(vcenter, name, context.signal);
  if (found.length > 1) {
    const places = found.map(({ place }) => place).join(', ');
    throw new KibError('KIB_BASE_MISSING', `${options.server} has ${found.length} things called ${name}: ${places}`, {
      hint: 'an item of a library is told apart as library/item, a machine by driver.datacenter and driver.folder',
    });
  }
  return {
    kind: 'remote',
    source,
    id: idOf(only.source),
    sha256: sha256(`${options.server}\n${only.content}`),
    facts: { name, place: only.place, vcenter: options.server },
  };
}

/** `vm:vm-42`, `template:vm-42`, `ovf:<uuid>`, `vm-template:<uuid>`. */
function idOf(source: Source): string {
  return `${source.kind === 'vm' && source.isTemplate ? 'template' : source.kind}:${source.id}`;
}

/** What a base's id stands for. */
export function sourceOf({ id }: Pick<RemoteBase, 'id'>): Source {
  const [, kind, rest] = /^(vm|template|ovf|vm-template):(.+)$/.exec(id) ?? [];
  if (rest === undefined) throw new KibError('KIB_DRIVER_CANNOT', `vSphere has no base ${id}`);
  if (kind === 'ovf' || kind === 'vm-template') return { kind, id: rest };
  return { kind: 'vm', id: rest, isTemplate: kind === 'template' };
}

async function machines(
  vcenter: Vcenter,
  name: string,
  { datacenter }: VsphereOptions,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const datacenters = datacenter === undefined ? undefined : await datacenterIds(vcenter, datacenter, signal);
  const found = await vcenter.call(
    { method: 'GET', path: '/api/vcenter/vm', query: { names: name, datacenters }, signal },
    machinesSchema,
  );
  const on = found.find(({ power_state }) => power_state !== 'POWERED_OFF');
  if (on !== undefined) {
    throw new KibError('KIB_BASE_MISSING', `machine ${name} (${on.vm}) is not powered off, so what it holds is not settled`, {
      hint: 'shut it down first',
    });
  }
  return found.map(({ vm }) => ({ source: { kind: 'vm', id: vm, isTemplate: false }, place: `machine ${vm}`, content: vm }));
}

async function datacenterIds(vcenter: Vcenter, name: string, signal: AbortSignal): Promise<readonly string[]> {
  const rows = await vcenter.call(
    { method: 'GET', path: '/api/vcenter/datacenter', query: { names: name }, signal },
    z.array(z.object({ datacenter: z.string() })),
  );
  return rows.map(({ datacenter }) => datacenter);
}

async function items(vcenter: Vcenter, name: string, signal: AbortSignal): Promise<readonly Found[]> {
  const [library, ...rest] = name.split('/');
  const isQualified = library !== undefined && rest.length > 0;
  const libraries = isQualified
    ? await vcenter.call(
        { method: 'POST', path: '/api/content/library', query: { action: 'find' }, body: { name: library }, signal },
        z.array(z.string()),
      )
    : [undefined];
  const found: Found[] = [];
  for (const library_id of libraries) {
    const filter = { name: isQualified ? rest.join('/') : name, ...(library_id === undefined ? {} : { library_id }) };
    for (const id of await findItems(vcenter, filter, signal)) {
      const item = await readItem(vcenter, id, signal);
      if (item?.type !== 'ovf' && item?.type !== 'vm-template') continue;
      const content = `${id} ${item.content_version ?? ''}`;
      found.push({ source: { kind: item.type, id }, place: `${item.type} item ${id} of library ${item.library_id}`, content });
    }
  }
  return found;
}

async function inventoryTemplate(
  vcenter: Vcenter,
  name: string,
  { datacenter, folder }: VsphereOptions,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  if (datacenter === undefined || !(await hasViJson(vcenter, signal))) return [];
  const paths = new Set([`${datacenter}/vm/${name}`, ...(folder === undefined ? [] : [`${datacenter}/vm/${folder}/${name}`])]);
  for (const path of paths) {
    const id = await findByPath(vcenter, path);
    if (id === undefined || (await isListed(vcenter, id, signal))) continue;
    return [{ source: { kind: 'vm', id, isTemplate: true }, place: `template ${path}`, content: id }];
  }
  return [];
}

async function isListed(vcenter: Vcenter, vm: string, signal: AbortSignal): Promise<boolean> {
  return (await vcenter.call({ method: 'GET', path: '/api/vcenter/vm', query: { vms: vm }, signal }, machinesSchema)).length > 0;
}

async function missing(vcenter: Vcenter, name: string, signal: AbortSignal): Promise<KibError> {
  const isNew = await hasViJson(vcenter, signal);
  return new KibError(
    'KIB_BASE_MISSING',
    `${vcenter.server} has no machine, template or library item called ${name} that this account can see`,
    {
      hint: isNew
        ? 'a template of the inventory is found by driver.datacenter and its path below it, team/name'
        : 'templates of the inventory are shown by vSphere 8.0 U1 and newer only: put it into a content library, or convert it to a machine',
    },
  );
}

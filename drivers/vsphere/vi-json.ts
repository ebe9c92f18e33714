import { z } from 'zod';
import { type Context, KibError, type Waiting } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { taskFailed, waitFor } from './wait.ts';

/** First release with the JSON form of the vSphere API (VI-JSON), and the one whose types are spoken to newer ones too. */
const RELEASE = '8.0.1.0';

const referenceSchema = z.object({ type: z.string(), value: z.string() });

/** Whether `version` is `wanted` or newer; both with dots, `8.0.2.0`. */
export function isAtLeast(version: string, wanted: string): boolean {
  const numbers = (text: string) => text.split('.').map(Number);
  const [have, want] = [numbers(version), numbers(wanted)];
  for (const [index, number] of want.entries()) {
    const other = have[index] ?? 0;
    if (other !== number) return other > number;
  }
  return true;
}

/** Whether this vCenter speaks VI-JSON. */
export async function hasViJson(vcenter: Vcenter, signal: AbortSignal): Promise<boolean> {
  return isAtLeast(await vcenter.version(signal), RELEASE);
}

/** Throws KIB_VSPHERE_VERSION where REST has no call for `what` and VI-JSON is not there. */
export async function requireViJson(vcenter: Vcenter, what: string, hint: string, signal: AbortSignal): Promise<void> {
  const version = await vcenter.version(signal);
  if (isAtLeast(version, RELEASE)) return;
  throw new KibError('KIB_VSPHERE_VERSION', `${what} needs vSphere 8.0 U1, ${vcenter.server} has ${version}`, { hint });
}

/** A property of a managed object. */
export async function viProperty<T>(
  vcenter: Vcenter,
  object: ViObject,
  property: string,
  answer: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T> {
  return vcenter.call({ method: 'GET', path: pathOf(object, property), signal }, answer);
}

export interface ViObject {
  readonly type: 'VirtualMachine' | 'VirtualMachineSnapshot' | 'Task' | 'SearchIndex';
  readonly id: string;
}

/** A method that answers at once. */
export async function viCall<T>(
  vcenter: Vcenter,
  object: ViObject,
  method: string,
  body: object,
  answer: z.ZodType<T>,
): Promise<T> {
  return vcenter.call({ method: 'POST', path: pathOf(object, method), body }, answer);
}

const taskSchema = z.object({
  state: z.enum(['queued', 'running', 'success', 'error']),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
});

/** A method that begins a task: waits for its end and returns its result. Throws KIB_VSPHERE_TASK, KIB_VSPHERE_STORAGE. */
export async function viTask(
  vcenter: Vcenter,
  object: ViObject,
  method: string,
  body: object,
  waiting: Waiting,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<unknown> {
  const what = `${method} of ${object.id}`;
  const task = await viCall(vcenter, object, method, body, referenceSchema);
  return waitFor(what, waiting, context, async (signal) => {
    const info = await viProperty(vcenter, { type: 'Task', id: task.value }, 'info', taskSchema, signal);
    if (info.state === 'error') throw taskFailed(what, info.error);
    return info.state === 'success' ? { result: info.result } : undefined;
  }).then(({ result }) => result);
}

/** Settings of a powered-off machine that REST has no call for. */
export async function reconfigure(
  vcenter: Vcenter,
  vm: string,
  spec: object,
  waiting: Waiting,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<void> {
  const body = { spec: { _typeName: 'VirtualMachineConfigSpec', ...spec } };
  await viTask(vcenter, { type: 'VirtualMachine', id: vm }, 'ReconfigVM_Task', body, waiting, context);
}

/** Advanced settings as ReconfigVM_Task takes them; an empty value removes one. */
export function extraConfig(values: Readonly<Record<string, string>>): object {
  const extra = Object.entries(values).map(([key, value]) => ({
    _typeName: 'OptionValue',
    key,
    value: { _typeName: 'string', _value: value },
  }));
  return { extraConfig: extra };
}

const devicesSchema = z.object({
  hardware: z.object({ device: z.array(z.looseObject({ _typeName: z.string(), key: z.number() })) }),
});

/** Enlarges a disk of a powered-off machine; `disk` is the key that REST knows it by. */
export async function growDisk(
  vcenter: Vcenter,
  { vm, disk, bytes }: { readonly vm: string; readonly disk: string; readonly bytes: number },
  waiting: Waiting,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<void> {
  const machine: ViObject = { type: 'VirtualMachine', id: vm };
  const { hardware } = await viProperty(vcenter, machine, 'config', devicesSchema, context.signal);
  const device = hardware.device.find(({ key }) => String(key) === disk);
  if (device === undefined) throw new KibError('KIB_VSPHERE', `${vcenter.server} does not show disk ${disk} of ${vm}`);
  const larger = { ...device, capacityInBytes: bytes, capacityInKB: bytes / 1024 };
  const change = { _typeName: 'VirtualDeviceConfigSpec', operation: 'edit', device: larger };
  await reconfigure(vcenter, vm, { deviceChange: [change] }, waiting, context);
}

/** The machine or template at a path of the inventory, `dc/vm/team/debian13`; undefined when there is none. */
export async function findByPath(vcenter: Vcenter, inventoryPath: string): Promise<string | undefined> {
  const index: ViObject = { type: 'SearchIndex', id: 'SearchIndex' };
  const found = await viCall(vcenter, index, 'FindByInventoryPath', { inventoryPath }, referenceSchema.nullish());
  return found?.type === 'VirtualMachine' ? found.value : undefined;
}

/** Id of the object that a task's result refers to. */
export function referredTo(result: unknown): string | undefined {
  return referenceSchema.safeParse(result).data?.value;
}

function pathOf({ type, id }: ViObject, member: string): string {
  return `/sdk/vim25/${RELEASE}/${type}/${encodeURIComponent(id)}/${member}`;
}

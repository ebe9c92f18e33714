import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { type Context, KibError, throwIfAborted } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { isGone } from './errors.ts';
import { pollMs, taskMs, type VsphereOptions } from './options.ts';
import { taskFailed, waitFor } from './wait.ts';

const ids = z.array(z.string());
const DEFAULT_LIBRARY = 'kib-native';
const ITEM = '/api/content/library/item';
const UPDATE = `${ITEM}/update-session`;

const itemSchema = z.object({
  id: z.string(),
  library_id: z.string(),
  name: z.string(),
  type: z.string().optional(),
  content_version: z.string().optional(),
  cached: z.boolean().optional(),
  size: z.number().optional(),
});

export type LibraryItem = z.output<typeof itemSchema>;

/** The library of a name. The default one is made on the datastore when there is none. Throws KIB_VSPHERE_PLACEMENT. */
export async function findLibrary(
  vcenter: Vcenter,
  name: string,
  datastore: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const found = await vcenter.call(
    { method: 'POST', path: '/api/content/library', query: { action: 'find' }, body: { name, type: 'LOCAL' }, signal },
    ids,
  );
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (found.length === 0 && name === DEFAULT_LIBRARY && datastore !== undefined) {
    return vcenter.call(
      {
        method: 'POST',
        path: '/api/content/local-library',
        body: {
          name,
          type: 'LOCAL',
          description: 'Bases of kib-native',
          storage_backings: [{ type: 'DATASTORE', datastore_id: datastore }],
        },
      },
      z.string(),
    );
  }
  if (found.length > 1)
    throw new KibError('KIB_VSPHERE_PLACEMENT', `${vcenter.server} has ${found.length} local libraries called ${name}`);
  const names = await libraryNames(vcenter, signal);
  throw new KibError(
    'KIB_VSPHERE_PLACEMENT',
    `${vcenter.server} has no local content library called ${name}; there is ${names.join(', ') || 'none'}`,
    {
      hint: 'change driver.library, or leave it out for one that is made',
      details: { found: names },
    },
  );
}

async function libraryNames(vcenter: Vcenter, signal: AbortSignal): Promise<readonly string[]> {
  const all = await vcenter.call({ method: 'GET', path: '/api/content/library', signal }, ids);
  const names: string[] = [];
  for (const id of all.slice(0, 50)) {
    const { name = id } = await vcenter.call(
      { method: 'GET', path: `/api/content/library/${id}`, signal },
      z.object({ name: z.string().optional() }),
    );
    names.push(name);
  }
  return names.sort();
}

/** Ids of the items that fit. */
export async function findItems(
  vcenter: Vcenter,
  filter: { readonly name?: string; readonly library_id?: string; readonly type?: string },
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const call = { method: 'POST', path: ITEM, query: { action: 'find' }, body: filter } as const;
  try {
    return await vcenter.call({ ...call, ...(signal === undefined ? {} : { signal }) }, ids);
  } catch (error) {
    // The library itself may be gone.
    if (isGone(error)) return [];
    throw error;
  }
}

export async function readItem(vcenter: Vcenter, id: string, signal?: AbortSignal): Promise<LibraryItem | undefined> {
  try {
    return await vcenter.call({ method: 'GET', path: `${ITEM}/${id}`, ...(signal === undefined ? {} : { signal }) }, itemSchema);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** A file for an item, from this host's disk or from memory. */
export type ItemFile = { readonly path: string; readonly name?: string } | { readonly name: string; readonly text: string };

/**
 * Makes an item of files and waits until vCenter has taken them in. The caller owns the item by its name; what a broken upload leaves goes with
 * it. Throws KIB_VSPHERE_TASK with vCenter's reason.
 */
export async function uploadItem(
  vcenter: Vcenter,
  item: { readonly name: string; readonly library: string; readonly type: 'iso' | 'ovf'; readonly description: string },
  files: readonly ItemFile[],
  options: VsphereOptions,
  context: Pick<Context, 'clock' | 'signal' | 'span'>,
): Promise<string> {
  const { signal } = context;
  throwIfAborted(signal);
  const body = { name: item.name, library_id: item.library, type: item.type, description: item.description };
  const id = await vcenter.call({ method: 'POST', path: ITEM, body }, z.string());
  throwIfAborted(signal);
  const session = await vcenter.call({ method: 'POST', path: UPDATE, body: { library_item_id: id } }, z.string());
  for (const file of files) await uploadFile(vcenter, session, file, context);
  await validate(vcenter, item.name, session, signal);
  await vcenter.send({ method: 'POST', path: `${UPDATE}/${session}`, query: { action: 'complete' }, signal });
  await taken(vcenter, item.name, session, options, context);
  await vcenter.send({ method: 'DELETE', path: `${UPDATE}/${session}`, signal });
  return id;
}

async function uploadFile(
  vcenter: Vcenter,
  session: string,
  file: ItemFile,
  { signal, span }: Pick<Context, 'signal' | 'span'>,
): Promise<void> {
  const size = 'text' in file ? Buffer.byteLength(file.text) : (await stat(file.path)).size;
  const name = 'text' in file ? file.name : (file.name ?? basename(file.path));
  const { upload_endpoint: endpoint } = await vcenter.call(
    { method: 'POST', path: `${UPDATE}/${session}/file`, body: { name, source_type: 'PUSH', size }, signal },
    z.object({ upload_endpoint: z.object({ uri: z.string() }) }),
  );
  if ('text' in file) {
    await vcenter.upload(endpoint.uri, Readable.from([Buffer.from(file.text)]), size, signal);
    return;
  }
  let sent = 0;
  const body = createReadStream(file.path).on('data', (chunk) => {
    sent += chunk.length;
    span.progress(sent, size, 'bytes');
  });
  try {
    await vcenter.upload(endpoint.uri, body, size, signal);
  } finally {
    body.destroy();
  }
}

const validationSchema = z.object({
  has_errors: z.boolean(),
  missing_files: z.array(z.string()).nullish(),
  invalid_files: z.array(z.object({ name: z.string(), error_message: z.unknown().optional() })).nullish(),
});

async function validate(vcenter: Vcenter, name: string, session: string, signal: AbortSignal): Promise<void> {
  const found = await vcenter.call(
    { method: 'POST', path: `${UPDATE}/${session}/file`, query: { action: 'validate' }, signal },
    validationSchema,
  );
  if (!found.has_errors) return;
  const missing = (found.missing_files ?? []).map((file) => `${file} is missing`);
  throw taskFailed(`taking ${name} into the library`, [
    ...missing,
    ...(found.invalid_files ?? []).map(({ error_message }) => error_message),
  ]);
}

/** `complete` only begins it: vCenter reads the descriptor and copies to the datastore. */
async function taken(
  vcenter: Vcenter,
  name: string,
  session: string,
  options: VsphereOptions,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<void> {
  const what = `taking ${name} into the library`;
  const waiting = { timeoutMs: taskMs(options), pollMs: pollMs(options) };
  const schema = z.object({ state: z.enum(['ACTIVE', 'DONE', 'ERROR', 'CANCELED']), error_message: z.unknown().optional() });
  await waitFor(what, waiting, context, async (signal) => {
    const { state, error_message } = await vcenter.call({ method: 'GET', path: `${UPDATE}/${session}`, signal }, schema);
    if (state === 'ERROR' || state === 'CANCELED') throw taskFailed(what, error_message);
    return state === 'DONE' ? true : undefined;
  });
}

/** Removes an item, and the sessions that are open on it; nothing when it is gone already. */
export async function deleteItem(vcenter: Vcenter, id: string): Promise<void> {
  for (const kind of ['update-session', 'download-session']) {
    const path = `${ITEM}/${kind}`;
    const open = await vcenter.call({ method: 'GET', path, query: { library_item_id: id } }, ids).catch((error: unknown) => {
      if (isGone(error)) return [];
      throw error;
    });
    for (const session of open) {
      await vcenter.send({ method: 'POST', path: `${path}/${session}`, query: { action: 'cancel' } }).catch(() => {});
      await vcenter.send({ method: 'DELETE', path: `${path}/${session}` }).catch(() => {});
    }
  }
  await vcenter.send({ method: 'DELETE', path: `${ITEM}/${id}` }).catch((error: unknown) => {
    if (!isGone(error)) throw error;
  });
}

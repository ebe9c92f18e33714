import { createHash, type Hash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { z } from 'zod';
import { type Context, formatBytes, KibError, readChunks, throwIfAborted } from '../../src/core/index.ts';
import type { Vcenter } from './client.ts';
import { pollMs, taskMs, type VsphereOptions } from './options.ts';
import { own } from './owned.ts';
import { taskFailed, waitFor } from './wait.ts';

const SESSION = '/api/content/library/item/download-session';
/** vCenter ends a transfer session that says nothing for five minutes. */
const KEEP_ALIVE_MS = 60_000;

const fileSchema = z.object({
  name: z.string(),
  size: z.number().optional(),
  status: z.enum(['UNPREPARED', 'PREPARE_REQUESTED', 'PREPARING', 'PREPARED', 'ERROR']),
  download_endpoint: z.object({ uri: z.string() }).optional(),
  error_message: z.unknown().optional(),
});

type SessionFile = z.output<typeof fileSchema>;

export interface Capture {
  readonly vcenter: Vcenter;
  readonly vm: string;
  /** Id of a library to capture to. */
  readonly library: string;
  /** `kib-<build>-<nonce>`. */
  readonly name: string;
  /** File that gets the disk. */
  readonly path: string;
}

/**
 * Brings the disk of a powered-off machine here: REST has no export, so vCenter makes an OVF of it in the library, which is downloaded and
 * removed. The digest in its manifest is checked. Throws KIB_VSPHERE_TASK, KIB_DIGEST_MISMATCH.
 */
export async function downloadDisk(capture: Capture, options: VsphereOptions, context: Context): Promise<void> {
  const { vcenter, vm, library, path } = capture;
  const { signal, span } = context;
  const name = `${capture.name}-capture`;
  const what = `making an OVF of ${vm}`;
  throwIfAborted(signal);
  const owned = await own('item', vcenter, { name, library }, context);
  span.note(what);
  const made = await vcenter.call(
    {
      method: 'POST',
      path: '/api/vcenter/ovf/library-item',
      body: {
        source: { type: 'VirtualMachine', id: vm },
        target: { library_id: library },
        create_spec: { name, description: 'Disk for kib-native' },
      },
      timeoutMs: taskMs(options),
    },
    z.object({ succeeded: z.boolean(), ovf_library_item_id: z.string().optional(), error: z.unknown().optional() }),
  );
  if (!made.succeeded || made.ovf_library_item_id === undefined) throw taskFailed(what, made.error);
  throwIfAborted(signal);
  const session = await vcenter.call(
    { method: 'POST', path: SESSION, body: { library_item_id: made.ovf_library_item_id } },
    z.string(),
  );
  const files = await vcenter.call({ method: 'GET', path: `${SESSION}/${session}/file`, signal }, z.array(fileSchema));
  const disk = onlyVmdk(files, vm);
  const digests = await readManifest(vcenter, session, files, options, context);
  span.note(`downloading the disk from ${vcenter.server}`);
  const stop = new AbortController();
  const alive = keepAlive(vcenter, session, context, AbortSignal.any([signal, stop.signal]));
  try {
    await fetchFile(vcenter, session, disk, path, options, context);
  } finally {
    stop.abort();
    await alive;
  }
  await checkDigest(path, disk.name, digests, signal);
  // With its sessions.
  await owned.remove();
}

function onlyVmdk(files: readonly SessionFile[], vm: string): SessionFile {
  const [disk, ...more] = files.filter(({ name }) => name.endsWith('.vmdk'));
  if (disk !== undefined && more.length === 0) return disk;
  throw new KibError(
    'KIB_VSPHERE',
    `wanted one disk in the OVF of ${vm}, got ${files.map(({ name }) => name).join(', ') || 'no file'}`,
  );
}

async function fetchFile(
  vcenter: Vcenter,
  session: string,
  { name }: SessionFile,
  path: string,
  options: VsphereOptions,
  context: Pick<Context, 'clock' | 'signal' | 'span'>,
): Promise<void> {
  const { uri, size } = await prepare(vcenter, session, name, options, context);
  const target = await open(path, 'wx', 0o600);
  let done = 0;
  try {
    await vcenter.download(uri, context.signal, async (chunk) => {
      await target.appendFile(chunk);
      done += chunk.length;
      context.span.progress(done, size, 'bytes');
    });
  } finally {
    await target.close();
  }
  if (size === undefined || size === done) return;
  await rm(path, { force: true });
  throw new KibError('KIB_VSPHERE', `${name} broke off: ${formatBytes(done)} of ${formatBytes(size)}`, { retryable: true });
}

async function prepare(
  vcenter: Vcenter,
  session: string,
  name: string,
  options: VsphereOptions,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<{ readonly uri: string; readonly size: number | undefined }> {
  const path = `${SESSION}/${session}/file`;
  const { signal } = context;
  const body = { file_name: name, endpoint_type: 'HTTPS' };
  await vcenter.call({ method: 'POST', path, query: { action: 'prepare' }, body, signal }, fileSchema);
  return waitFor(
    `preparing ${name} for download`,
    { timeoutMs: taskMs(options), pollMs: pollMs(options) },
    context,
    async (signal) => {
      const file = await vcenter.call({ method: 'GET', path, query: { file_name: name }, signal }, fileSchema);
      if (file.status === 'ERROR') throw taskFailed(`preparing ${name} for download`, file.error_message);
      const uri = file.download_endpoint?.uri;
      return file.status === 'PREPARED' && uri !== undefined ? { uri, size: file.size } : undefined;
    },
  );
}

/** Digests of an OVF's files, of the manifest if it has one: `SHA256(name)= hex`. */
async function readManifest(
  vcenter: Vcenter,
  session: string,
  files: readonly SessionFile[],
  options: VsphereOptions,
  context: Pick<Context, 'clock' | 'signal'>,
): Promise<ReadonlyMap<string, { readonly algorithm: string; readonly hex: string }>> {
  const manifest = files.find(({ name }) => name.endsWith('.mf'));
  if (manifest === undefined) return new Map();
  const { uri } = await prepare(vcenter, session, manifest.name, options, context);
  const chunks: Buffer[] = [];
  await vcenter.download(uri, context.signal, async (chunk) => {
    chunks.push(Buffer.from(chunk));
    return Promise.resolve();
  });
  const lines = Buffer.concat(chunks)
    .toString()
    .matchAll(/^(SHA1|SHA256|SHA512)\s*\((.+)\)\s*=\s*([0-9a-fA-F]+)\s*$/gm);
  return new Map(
    [...lines].map(([, algorithm = '', name = '', hex = '']) => [
      name,
      { algorithm: algorithm.toLowerCase(), hex: hex.toLowerCase() },
    ]),
  );
}

async function checkDigest(
  path: string,
  name: string,
  digests: ReadonlyMap<string, { readonly algorithm: string; readonly hex: string }>,
  signal: AbortSignal,
): Promise<void> {
  const wanted = digests.get(name);
  if (wanted === undefined) return;
  const hash: Hash = createHash(wanted.algorithm);
  for await (const chunk of readChunks(path, signal)) hash.update(chunk);
  const got = hash.digest('hex');
  if (got === wanted.hex) return;
  throw new KibError('KIB_DIGEST_MISMATCH', `${name} is not what vCenter says: ${wanted.algorithm} ${got} for ${wanted.hex}`);
}

async function keepAlive(
  vcenter: Vcenter,
  session: string,
  { clock }: Pick<Context, 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(KEEP_ALIVE_MS, signal);
      await vcenter.send({ method: 'POST', path: `${SESSION}/${session}`, query: { action: 'keep-alive' }, body: {}, signal });
    }
  } catch {
    // What matters is the transfer itself; it says what is wrong.
  }
}

import type { Client, SFTPWrapper } from 'ssh2';
import { digestFile, errorMessage, isKibError, KibError, sh, type TransferOptions, type Transport } from '../core/index.ts';

/** Requests in flight; 64 of 32 KiB keep a gigabit link busy (ssh2's own default). */
const WINDOW = { concurrency: 64, chunkSize: 32_768 };

/** Writes a local file to the guest and compares both ends by SHA-256. Throws KIB_TRANSFER when it did not arrive whole. */
export async function uploadFile(client: Client, transport: Transport, local: string, remote: string, options: TransferOptions) {
  await transfer(client, options, `upload ${local} to ${remote}`, (sftp, step, done) =>
    sftp.fastPut(local, remote, { ...WINDOW, step }, done),
  );
  await compare(transport, local, remote, options.signal);
}

/** Writes a file of the guest to this host and compares both ends by SHA-256. Throws KIB_TRANSFER when it did not arrive whole. */
export async function downloadFile(
  client: Client,
  transport: Transport,
  remote: string,
  local: string,
  options: TransferOptions,
) {
  await transfer(client, options, `download ${remote} to ${local}`, (sftp, step, done) =>
    sftp.fastGet(remote, local, { ...WINDOW, step }, done),
  );
  await compare(transport, local, remote, options.signal);
}

type Step = (done: number, chunk: number, total: number) => void;

async function transfer(
  client: Client,
  options: TransferOptions,
  what: string,
  start: (sftp: SFTPWrapper, step: Step, done: (error?: Error | null) => void) => void,
): Promise<void> {
  try {
    const sftp = await new Promise<SFTPWrapper>((resolve, reject) => {
      client.sftp((error, opened) => (error === undefined ? resolve(opened) : reject(error)));
    });
    const onAbort = () => sftp.end();
    options.signal.addEventListener('abort', onAbort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        sftp.on('error', reject);
        sftp.on('close', () => reject(new Error('the SFTP channel was closed')));
        const step: Step = (done, _chunk, total) => options.onProgress?.(done, total);
        start(sftp, step, (error) => (error === undefined || error === null ? resolve() : reject(error)));
      });
    } finally {
      options.signal.removeEventListener('abort', onAbort);
      sftp.end();
    }
  } catch (error) {
    if (isKibError(error)) throw error;
    throw new KibError('KIB_TRANSFER', `could not ${what}: ${errorMessage(error)}`, { cause: error });
  }
}

async function compare(transport: Transport, local: string, remote: string, signal: AbortSignal): Promise<void> {
  const wanted = await digestFile(local, 'sha256', signal);
  let out = '';
  const collect = (chunk: Buffer) => {
    out += chunk.toString();
  };
  // By redirection: sha256sum escapes odd file names in its output.
  await transport.exec(sh`LC_ALL=C sha256sum <${remote}`.text, { signal, onStdout: collect, onStderr: collect });
  const got = /^[0-9a-f]{64}/.exec(out)?.[0];
  if (got === wanted) return;
  throw new KibError(
    'KIB_TRANSFER',
    `${local} and ${remote} of the guest differ: SHA-256 ${wanted} here, ${got ?? out.trim()} there`,
    {
      hint: 'is the guest’s file system full?',
    },
  );
}

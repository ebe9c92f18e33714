import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DiskFormat, KibError } from '../core/index.ts';
import { CommandError, type RunResult, run } from './process.ts';

/** A disk image, or a stretch of a file that holds one (a VMDK inside an OVA). */
export interface DiskFile {
  readonly path: string;
  readonly format: DiskFormat;
  /** Bytes before the image inside its file; a multiple of 512. Default 0. */
  readonly offset?: number;
  /** Length of the image inside its file; a multiple of 512. Default: up to the end. A streamOptimized VMDK needs it. */
  readonly bytes?: number;
}

export interface ImageInfo {
  readonly format: string;
  readonly virtualBytes: number;
  /** Bytes allocated on the host; holes do not count. */
  readonly allocatedBytes: number;
  /** Backing file as the header spells it. */
  readonly backing: string | undefined;
  /** qcow2 `zlib` or `zstd`. */
  readonly compression: string | undefined;
  /** VMDK `streamOptimized`, `monolithicSparse` … */
  readonly vmdkType: string | undefined;
}

export interface CreateRequest {
  readonly path: string;
  readonly format: DiskFormat;
  /** Virtual size; default: the backing image's. */
  readonly bytes?: number;
  /** Makes the new image a copy-on-write overlay of this one, which is never written. Its path is kept as it is, a relative one counts from the image's folder. */
  readonly backing?: DiskFile;
  /** Whether the backing file need not be there yet; `bytes` is needed then. */
  readonly isBackingLater?: boolean;
  /** Format options, `{ cluster_size: '64k' }` (qemu-img create -f FORMAT -o help). */
  readonly options?: Readonly<Record<string, string>>;
}

export interface ConvertRequest {
  readonly source: DiskFile;
  readonly target: string;
  readonly targetFormat: DiskFormat;
  /** Format options of the target: `{ compression_type: 'zstd' }`, `{ subformat: 'streamOptimized' }`. */
  readonly options?: Readonly<Record<string, string>>;
  /** Makes the target an overlay of this image, which must hold what the source's backing file does: only what the source itself has is copied. */
  readonly backing?: DiskFile;
  /** Compresses clusters (qcow2 only; a streamOptimized VMDK always is). */
  readonly compress?: boolean;
  /** Share done, from 0 to 100. */
  readonly onProgress?: (percent: number) => void;
  readonly signal: AbortSignal;
}

export interface CheckReport {
  readonly ok: boolean;
  /** Empty when ok, else what qemu-img said, one line. */
  readonly detail: string;
}

/** Reads an image's header. Throws CommandError when the file is not of that format. Works on images in use. */
export async function info(file: DiskFile, signal: AbortSignal): Promise<ImageInfo> {
  const { stdout } = await qemuImg(['info', '--force-share', '--output=json', ...located(file, '-f')], signal);
  const report = JSON.parse(stdout) as InfoReport;
  const specific = report['format-specific']?.data;
  return {
    format: report.format,
    virtualBytes: report['virtual-size'],
    allocatedBytes: report['actual-size'] ?? 0,
    backing: report['backing-filename'],
    compression: specific?.['compression-type'],
    vmdkType: specific?.['create-type'],
  };
}

/** An image and all that it stands on, the bottom one last. Throws CommandError when one is not there, or not of the format that it is said to be of. */
export async function backingChain(
  file: DiskFile,
  signal: AbortSignal,
): Promise<readonly { readonly path: string; readonly format: string; readonly virtualBytes: number }[]> {
  const args = ['info', '--force-share', '--backing-chain', '--output=json', ...located(file, '-f')];
  const reports = JSON.parse((await qemuImg(args, signal)).stdout) as readonly InfoReport[];
  return reports.map((report) => ({ path: report.filename, format: report.format, virtualBytes: report['virtual-size'] }));
}

/** Makes an empty image or an overlay. An existing file is overwritten. */
export async function create(request: CreateRequest, signal: AbortSignal): Promise<void> {
  await qemuImg(createArgs(request), signal);
}

/** Shows `work` the disk as if it were larger, by an overlay in `folder` that is removed afterwards: not every format can be grown. */
export async function withGrown<T>(
  { disk, bytes, folder }: { readonly disk: DiskFile; readonly bytes: number; readonly folder: string },
  signal: AbortSignal,
  work: (grown: DiskFile) => Promise<T>,
): Promise<T> {
  const path = join(folder, 'grown.qcow2');
  await create({ path, format: 'qcow2', bytes, backing: disk }, signal);
  try {
    return await work({ path, format: 'qcow2' });
  } finally {
    await rm(path, { force: true });
  }
}

/** Tells an overlay that its backing image is that one, without looking at either: they must hold the same. */
export async function rebase(overlay: DiskFile, backing: DiskFile, signal: AbortSignal): Promise<void> {
  await qemuImg(['rebase', '-u', '-b', locator(backing), '-F', backing.format, ...located(overlay, '-f')], signal);
}

/** Makes an overlay stand on another image and show the same as before: it takes in what is not the same there. */
export async function restack(overlay: DiskFile, backing: DiskFile, signal: AbortSignal): Promise<void> {
  await qemuImg(['rebase', '-b', locator(backing), '-F', backing.format, ...located(overlay, '-f')], signal);
}

/** Arguments for qemu-img(1) that make an image. */
export function createArgs(request: CreateRequest): string[] {
  const { backing, bytes } = request;
  return [
    ['create', '-q', '-f', request.format],
    request.isBackingLater === true ? ['-u'] : [],
    backing === undefined ? [] : ['-b', locator(backing), '-F', backing.format],
    formatOptions(request.options),
    [unambiguous(request.path)],
    bytes === undefined ? [] : [String(bytes)],
  ].flat();
}

/** Writes a copy in another format, backing files flattened unless there is a new one, zeroes left out. A half-written target is the caller's to remove. */
export async function convert(request: ConvertRequest): Promise<void> {
  const { backing, onProgress } = request;
  await qemuImg(
    [
      'convert',
      ...(onProgress === undefined ? [] : ['-p']),
      ...(request.compress === true ? ['-c'] : []),
      '-O',
      request.targetFormat,
      ...(backing === undefined ? [] : ['-B', locator(backing)]),
      ...formatOptions({ ...request.options, ...(backing === undefined ? {} : { backing_fmt: backing.format }) }),
      ...located(request.source, '-f'),
      unambiguous(request.target),
    ],
    request.signal,
    onProgress === undefined
      ? undefined
      : (line) => {
          const match = /\((\d+(?:\.\d+)?)\/100%\)/.exec(line);
          if (match !== null) onProgress(Number(match[1]));
        },
  );
}

/** Whether two images hold the same bytes; a longer one may only have zeroes more. `detail` says where they differ. */
export async function compare(
  a: DiskFile,
  b: DiskFile,
  signal: AbortSignal,
): Promise<{ readonly identical: boolean; readonly detail: string }> {
  // A json: locator names its own format, and then takes no -f or -F beside it.
  const formats = [...(isPlain(a) ? ['-f', a.format] : []), ...(isPlain(b) ? ['-F', b.format] : [])];
  const result = await run('qemu-img', ['compare', ...formats, locator(a), locator(b)], { signal, okCodes: [0, 1] });
  return { identical: result.exitCode === 0, detail: result.stdout.trim().split('\n').at(-1) ?? '' };
}

/** Checks the metadata of a qcow2 image (a VMDK has only its grain tables looked at; raw has nothing to check). */
export async function check(file: DiskFile, signal: AbortSignal): Promise<CheckReport> {
  // qemu-img(1): 2 corrupt, 3 leaked clusters, 63 no checks for this format.
  const result = await run('qemu-img', ['check', ...located(file, '-f')], { signal, okCodes: [0, 1, 2, 3, 63] });
  if (result.exitCode === 0 || result.exitCode === 63) return { ok: true, detail: '' };
  const said = `${result.stdout}\n${result.stderr}`
    .trim()
    .split('\n')
    .filter((line) => line !== '');
  return { ok: false, detail: said.join('; ') };
}

/** The `json:` or plain file name by which QEMU opens a disk. */
function locator(file: DiskFile): string {
  const path = unambiguous(file.path);
  if (isPlain(file)) return path;
  const stretch = {
    driver: 'raw',
    offset: file.offset ?? 0,
    ...(file.bytes === undefined ? {} : { size: file.bytes }),
    file: { driver: 'file', filename: path },
  };
  return `json:${JSON.stringify(file.format === 'raw' ? stretch : { driver: file.format, file: stretch })}`;
}

interface InfoReport {
  readonly filename: string;
  readonly format: string;
  readonly 'virtual-size': number;
  readonly 'actual-size'?: number;
  readonly 'backing-filename'?: string;
  readonly 'format-specific'?: { readonly data?: Readonly<Record<string, string>> };
}

// QEMU takes `name:` at the start of a path for a protocol, and a hyphen for an option.
function unambiguous(path: string): string {
  return /^(-|[^/]*:)/.test(path) ? `./${path}` : path;
}

function isPlain(file: DiskFile): boolean {
  return (file.offset ?? 0) === 0 && file.bytes === undefined;
}

/** Arguments that name a disk with its format; a `json:` locator names its own. */
export function located(file: DiskFile, formatFlag: string): string[] {
  return isPlain(file) ? [formatFlag, file.format, locator(file)] : [locator(file)];
}

function formatOptions(options: Readonly<Record<string, string>> = {}): string[] {
  const pairs = Object.entries(options).map(([key, value]) => `${key}=${value.replaceAll(',', ',,')}`);
  return pairs.length === 0 ? [] : ['-o', pairs.join(',')];
}

async function qemuImg(args: readonly string[], signal: AbortSignal, onLine?: (line: string) => void): Promise<RunResult> {
  try {
    return await run('qemu-img', args, { signal, ...(onLine === undefined ? {} : { onLine }) });
  } catch (error) {
    if (error instanceof CommandError && error.stderr.includes('No space left on device')) {
      throw new KibError('KIB_DISK_FULL', `no space left while qemu-img ${args[0]} wrote ${args.at(-1)}`, {
        hint: 'free some space, or choose another folder with --output-dir or TMPDIR',
        cause: error,
      });
    }
    throw error;
  }
}

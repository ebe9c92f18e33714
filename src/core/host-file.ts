import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import type { Download } from './action.ts';

/** A file of this host that a setting names, as a recipe sees it: read before any recipe is asked. */
export interface HostFile {
  /** Absolute. */
  readonly path: string;
  /** Lower-case hex. */
  readonly sha256: string;
  /** What it holds; only where the setting asks for text, and then at most 1 MiB of UTF-8. */
  readonly text?: string;
}

/** The file with its text, which plans and listings of settings leave out: it is a property that is not enumerable. */
export function withText(file: HostFile, text: string): HostFile {
  return Object.defineProperty({ ...file }, 'text', { value: text, enumerable: false });
}

/** What stands in a parsed setting until configuration has read the file. */
export class UnreadHostFile {
  /** As the user wrote it, relative to the image file or absolute. */
  readonly name: string;
  readonly wantsText: boolean;

  constructor(name: string, wantsText: boolean) {
    this.name = name;
    this.wantsText = wantsText;
  }
}

/**
 * A setting that names a file of this host: a path, relative to the image file, in; a HostFile out. Configuration finds every such setting
 * below `recipes` and `kubernetes` by its value, reports a file that is not there with the place that names it, and puts the HostFile in
 * before `validate` and `steps` run. `text` reads it as well, for recipes that look into it. The digest makes it an input of its layer.
 */
export function hostFile(options: { readonly text?: boolean } = {}) {
  return (
    z
      .string()
      .min(1)
      // Nobody but configuration sees it unread.
      .transform((name) => new UnreadHostFile(name, options.text === true) as unknown as HostFile)
  );
}

/** The pinned download that puts a host file into the guest. */
export function hostDownload({ path, sha256 }: HostFile, why: string): Download {
  return { url: pathToFileURL(path).href, sha256, why };
}

/** Every unread file in a parsed setting, with the path of keys that leads to it. */
export function unreadHostFiles(
  value: unknown,
  path: readonly PropertyKey[] = [],
): readonly { readonly path: readonly PropertyKey[]; readonly file: UnreadHostFile }[] {
  if (value instanceof UnreadHostFile) return [{ path, file: value }];
  if (Array.isArray(value)) return value.flatMap((item, index) => unreadHostFiles(item, [...path, index]));
  if (!isPlain(value)) return [];
  return Object.entries(value).flatMap(([key, member]) => unreadHostFiles(member, [...path, key]));
}

/** A copy of a parsed setting with every unread file replaced by what `read` has for it; other values are kept as they are. */
export function withHostFiles(value: unknown, read: (file: UnreadHostFile) => unknown): unknown {
  if (value instanceof UnreadHostFile) return read(value);
  if (Array.isArray(value)) return value.map((item) => withHostFiles(item, read));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withHostFiles(member, read)]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

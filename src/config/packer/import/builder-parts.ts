import { parseSize } from '../../../core/index.ts';
import type { Draft } from './draft.ts';
import { isTrueText, isWhole, type Part, text, texts } from './template.ts';

export const NO_SECRET = 'no secret goes into an image file; name where it is kept by driver.password';

/** A count written as number or text. */
export function count(value: unknown): number | undefined {
  const digits = text(value);
  return digits !== undefined && /^\d+$/.test(digits) ? Number(digits) : undefined;
}

/** MiB when it is a bare number, as all of Packer's VM builders count. */
export function size(value: unknown): string | undefined {
  const words = text(value);
  if (words === undefined) return undefined;
  if (/^\d+$/.test(words)) return Number(words) % 1024 === 0 ? `${Number(words) / 1024}GiB` : `${words}MiB`;
  return parseSize(words) === undefined ? undefined : words.replace(/^(\d+)([KMGT])B?$/i, '$1$2iB');
}

export function hardware(draft: Draft, part: Part, names: { cpus: string; memory: string; disk: string }): readonly string[] {
  const { settings } = part;
  draft.set('cpus', count(settings[names.cpus]), part.placeOf(names.cpus));
  draft.set('memory', size(settings[names.memory]), part.placeOf(names.memory));
  if (!isTrueText(settings['skip_resize_disk'])) draft.set('disk', size(settings[names.disk]), part.placeOf(names.disk));
  return [...Object.values(names), 'skip_resize_disk'];
}

/** A disk image with its digest is a base; an installer is not. */
export function takeIso(draft: Draft, part: Part, isDisk: boolean): readonly string[] {
  const { settings } = part;
  const url = text(settings['iso_url']) ?? texts(settings['iso_urls'])[0];
  const digest = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text(settings['iso_checksum']) ?? '')?.[1];
  const place = part.placeOf('iso_url');
  const format = /\.(raw|img\.raw)$/.test(url ?? '') ? 'raw' : 'qcow2';
  if (url === undefined) return [];
  if (!isDisk) draft.note(place, 'iso_url', 'installers are not run; the image starts from the distributor’s cloud image');
  else if (!/^https?:/.test(url))
    draft.set(
      'base',
      { file: url.replace(/^file:\/\//, ''), format, ...(digest === undefined ? {} : { sha256: digest }) },
      place,
    );
  else if (isWhole(url) && digest !== undefined) draft.set('base', { url, format, sha256: digest }, place);
  else
    draft.note(
      place,
      'iso_url',
      'the catalog’s cloud image of this system is taken, whose digest is known; base: latest takes the newest',
    );
  return ['iso_url', 'iso_urls', 'iso_checksum', 'iso_checksum_type', 'disk_image'];
}

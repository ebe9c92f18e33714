import { parseSize } from '../../core/index.ts';

/** `True`, `yes` and the like, as Ansible's bool filter reads them; undefined for what is neither. */
export function flag(value: string): boolean | undefined {
  if (/^(true|yes|on|1)$/i.test(value)) return true;
  return /^(false|no|off|0)$/i.test(value) ? false : undefined;
}

export function isTrue(value: string | undefined): boolean {
  return value !== undefined && flag(value) === true;
}

/** Packer counts memory and disks in MB that are really MiB, and writes them as bare numbers. A size of ours is taken as it is. */
export function mebibytes(value: string): string | undefined {
  return /^\d+$/.test(value) ? `${value}MiB` : parseSize(value) === undefined ? undefined : value;
}

/** Amazon's volumes are sized in GiB. */
export function gibibytes(value: string): string | undefined {
  return /^\d+$/.test(value) ? `${value}GiB` : undefined;
}

export function count(value: string): number | undefined {
  return /^\d+$/.test(value) ? Number(value) : undefined;
}

/** Names apart by spaces; commas do no harm. Values are quoted once more to survive Ansible's command line. */
export function words(value: string): readonly string[] {
  return unquoted(value)
    .split(/[\s,]+/)
    .filter((word) => word !== '');
}

/** Names apart by commas. */
export function commas(value: string): readonly string[] {
  return unquoted(value)
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

export function unquoted(value: string): string {
  const match = /^\s*(["'])(.*)\1\s*$/s.exec(value);
  return match?.[2] ?? value;
}

export function oneOf<T>(table: Readonly<Record<string, T>>): (value: string) => T | undefined {
  return (value) => (Object.hasOwn(table, value) ? table[value] : undefined);
}

/** What stands before /core:/stable:/…, whatever the series. */
export function beforeSeries(value: string): string | undefined {
  return /^(https?:\/\/[^{]+?)\/core:\/stable:\//.exec(value)?.[1];
}

/** What stands before a part of a URL; undefined where the URL has no such part. */
export function before(part: string): (value: string) => string | undefined {
  return (value) =>
    value.includes(part) && value.indexOf(part) > 'https://'.length ? value.slice(0, value.indexOf(part)) : undefined;
}

/** The release that a package's version is of: 1.15.3 of `v1.15.3` and `1.15.3-00`. */
export function releaseOf(value: string): string {
  return value.replace(/^v/, '').replace(/-\d+(\.\d+)?$/, '');
}

/** Image-builder's http source ends in /release, ours stops before it. */
export function beforeRelease(value: string): string {
  return value.replace(/\/release\/?$/, '');
}

/** Text that is base64 of UTF-8; undefined for anything else. */
export function fromBase64(value: string): string | undefined {
  const compact = value.replaceAll(/\s+/g, '');
  if (compact === '' || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 !== 0) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(compact, 'base64'));
  } catch {
    return undefined;
  }
}

/** A catalog-like name out of any text: `Ubuntu_24.04` becomes `ubuntu-24.04`. */
export function imageName(value: string): string | undefined {
  const name = value
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[.-]+|[.-]+$/g, '');
  return name === '' ? undefined : name;
}

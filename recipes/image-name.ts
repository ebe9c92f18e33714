import { z } from 'zod';
import type { HostFile } from '../src/core/index.ts';

/** Name, then tag, digest or both; distribution/reference without its length limits. Host names are told from folders by fullName. */
const REFERENCE = /^[a-z\d][\w.-]*(:\d+)?(\/[a-z\d][\w.-]*)*(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/i;

export const imageSchema = z
  .string()
  .regex(REFERENCE, 'must be an image name such as docker.io/library/busybox:1.37 or quay.io/org/app:v1@sha256:…')
  .transform(fullName);

export const imagesSchema = z.array(imageSchema).default([]);

/** The name as runtimes keep it: `busybox` is `docker.io/library/busybox:latest` (distribution/reference, ParseNormalizedNamed and TagNameOnly). */
export function fullName(name: string): string {
  const [first = '', ...rest] = name.split('/');
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const located = isHost ? name : `docker.io/${rest.length === 0 ? `library/${name}` : name}`;
  return /[:@]/.test(located.split('/').at(-1) ?? '') ? located : `${located}:latest`;
}

/** The names that an image is known by once it is there: one with both tag and digest is known by either. */
export function knownAs(name: string): readonly string[] {
  const [tagged = '', digest] = name.split('@');
  if (digest === undefined) return [name];
  const repository = tagged.replace(/:[^/:]*$/, '');
  return [`${repository}@${digest}`, ...(repository === tagged ? [] : [tagged])];
}

/** The names in a file such as `["docker.io/calico/node:v3.30.3", …]`, or what is wrong with it. */
export function readImageList({
  path,
  text = '',
}: HostFile): { readonly names: readonly string[] } | { readonly problem: string } {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return { problem: `${path} is no JSON` };
  }
  if (!Array.isArray(list)) return { problem: `${path} must hold a JSON list of image names` };
  const wrong = list.findIndex((name) => typeof name !== 'string' || !REFERENCE.test(name));
  if (wrong !== -1) return { problem: `${path}: entry ${wrong + 1} is no image name: ${JSON.stringify(list[wrong])}` };
  return { names: (list as string[]).map(fullName) };
}

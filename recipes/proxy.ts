import { z } from 'zod';
import type { Action } from '../src/core/index.ts';
import type { Issue } from './issue.ts';

const url = z.url({ protocol: /^(https?|socks5h?)$/ });

/** How a runtime reaches registries while the image is built and, with `keep`, on its nodes. */
export const proxySchema = z
  .strictObject({
    http: url.optional().describe('Proxy for http:, such as http://proxy:3128'),
    https: url.optional().describe('Proxy for https:'),
    no: z.array(z.string()).default([]).describe('Hosts, domains and networks reached without a proxy'),
    keep: z.boolean().default(false).describe('Whether nodes use it too; otherwise the image has no trace of it'),
  })
  .optional()
  .describe('Proxy of the container runtime');

export type Proxy = z.output<typeof proxySchema>;

/** `setting` is the full path of the parameter. */
export function proxyIssues(proxy: Proxy, setting: string): readonly Issue[] {
  const urls = [proxy?.http, proxy?.https].filter((value) => value !== undefined);
  if (urls.every((value) => new URL(value).username === '')) return [];
  return [
    {
      path: setting,
      message: 'holds a login, which would be in plans, logs and images',
      hint: 'use a proxy that knows this machine without one',
    },
  ];
}

/** A drop-in of the runtime's unit; the same variables as kubernetes-sigs/image-builder. */
export function proxySteps(proxy: Proxy, unit: string): readonly Action[] {
  if (proxy === undefined) return [];
  const { http, https, no } = proxy;
  const variables = { HTTP_PROXY: http, HTTPS_PROXY: https, NO_PROXY: no.length === 0 ? undefined : no.join(',') };
  const lines = Object.entries(variables).flatMap(([name, value]) =>
    value === undefined ? [] : [`Environment="${name}=${escaped(value)}"`],
  );
  return [{ kind: 'file', path: dropIn(unit), text: `[Service]\n${lines.join('\n')}\n` }];
}

export function proxySeal(proxy: Proxy, unit: string): readonly Action[] {
  return proxy === undefined || proxy.keep ? [] : [{ kind: 'remove', paths: [dropIn(unit)] }];
}

/** What nodes keep of it. */
export function proxyShips(proxy: Proxy, unit: string): readonly string[] {
  return proxy?.keep === true ? [dropIn(unit)] : [];
}

function dropIn(unit: string): string {
  return `/etc/systemd/system/${unit}.d/20-kib-proxy.conf`;
}

/** systemd.exec(5), Environment=: % starts a specifier. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%');
}

import { z } from 'zod';
import type { Action } from '../src/core/index.ts';
import type { Issue } from './issue.ts';
import { type TomlTable, toml } from './toml.ts';

const HOST = /^(_default|[\w.-]+(:\d+)?)$/;

const mirrorSchema = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).describe('Where the mirror answers'),
  capabilities: z
    .array(z.enum(['pull', 'resolve', 'push']))
    .min(1)
    .default(['pull', 'resolve'])
    .describe('What the mirror is trusted with; resolve is to say which digest a tag means'),
  overridePath: z.boolean().default(false).describe('Whether the path of the URL stands in place of /v2'),
  skipVerify: z.boolean().default(false).describe('Whether its certificate may be anybody’s'),
  ca: z
    .string()
    .regex(/^-----BEGIN CERTIFICATE-----/, 'must be a certificate in PEM')
    .optional()
    .describe('Certificate authority of the mirror, as PEM text'),
});

/** Mirrors of container registries, for either runtime. Logins have no place in an image: give them to the nodes as imagePullSecrets or by kubelet's credential providers. */
export const registriesSchema = z
  .record(
    z.string().regex(HOST, 'must be a registry such as docker.io, or _default'),
    z.strictObject({
      server: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe('Asked when no mirror answers; default: the registry itself'),
      mirrors: z.array(mirrorSchema).default([]).describe('Asked first, in this order'),
    }),
  )
  .default({})
  .describe('Mirrors by registry, such as docker.io; _default is for all others (containerd only)');

export type Registries = z.output<typeof registriesSchema>;
type Mirror = z.output<typeof mirrorSchema>;

/** Logins in URLs would be in the image. `setting` is the full path of the parameter. */
export function registryIssues(registries: Registries, setting: string): readonly Issue[] {
  return Object.entries(registries).flatMap(([host, { server, mirrors }]) =>
    [server, ...mirrors.map(({ url }) => url)].flatMap((url) =>
      url === undefined || new URL(url).username === ''
        ? []
        : [
            {
              path: setting,
              message: `${host}: a URL holds a login, which every machine of the image could read`,
              hint: 'leave it out; give nodes imagePullSecrets or a credential provider',
            },
          ],
    ),
  );
}

/** containerd's docs/hosts.md: a folder per registry below /etc/containerd/certs.d. */
export function containerdRegistries(registries: Registries): readonly Action[] {
  return Object.entries(registries).flatMap(([host, { server, mirrors }]) => {
    const folder = `/etc/containerd/certs.d/${host}`;
    const authorities = mirrors.flatMap(({ ca }, index) =>
      ca === undefined ? [] : [{ path: `${folder}/${caName(index)}`, ca }],
    );
    const hosts = Object.fromEntries(mirrors.map((mirror, index) => [mirror.url, hostTable(mirror, index)]));
    const table: TomlTable = { ...(server === undefined ? {} : { server }), ...(mirrors.length === 0 ? {} : { host: hosts }) };
    return [
      ...authorities.map(({ path, ca }): Action => ({ kind: 'file', path, text: `${ca.trimEnd()}\n` })),
      { kind: 'file', path: `${folder}/hosts.toml`, text: toml(table) } as const,
    ];
  });
}

function hostTable({ capabilities, overridePath, skipVerify, ca }: Mirror, index: number): TomlTable {
  return {
    capabilities,
    ...(overridePath ? { override_path: true } : {}),
    ...(skipVerify ? { skip_verify: true } : {}),
    // Relative to hosts.toml.
    ...(ca === undefined ? {} : { ca: caName(index) }),
  };
}

function caName(index: number): string {
  return `mirror-${index + 1}.crt`;
}

/** What containers-registries.conf(5) has no word for. */
export function crioRegistryIssues(registries: Registries, setting: string): readonly Issue[] {
  return Object.entries(registries).flatMap(([host, { mirrors }]) => [
    ...(host === '_default'
      ? [{ path: setting, message: 'CRI-O has no mirror for all registries', hint: 'name each registry instead of _default' }]
      : []),
    ...(mirrors.some(({ capabilities }) => !capabilities.includes('pull'))
      ? [{ path: setting, message: `${host}: CRI-O only pulls from mirrors`, hint: 'use capabilities: [pull, resolve]' }]
      : []),
  ]);
}

/** containers-registries.conf.d(5) and, for certificate authorities, containers-certs.d(5). */
export function crioRegistries(registries: Registries): readonly Action[] {
  return Object.entries(registries).flatMap(([host, { server, mirrors }]) => [
    ...mirrors.flatMap(({ url, ca }): readonly Action[] =>
      ca === undefined
        ? []
        : [{ kind: 'file', path: `/etc/containers/certs.d/${new URL(url).host}/ca.crt`, text: `${ca.trimEnd()}\n` }],
    ),
    {
      kind: 'file',
      path: `/etc/containers/registries.conf.d/50-kib-${host.replace(':', '_')}.conf`,
      text: [
        `[[registry]]\n${toml({ prefix: host, location: server === undefined ? host : locationOf(server) })}`,
        ...mirrors.map((mirror) => `\n[[registry.mirror]]\n${toml(mirrorTable(mirror))}`),
      ].join(''),
    } as const,
  ]);
}

function mirrorTable({ url, overridePath, skipVerify, capabilities }: Mirror): TomlTable {
  return {
    location: overridePath ? locationOf(url).replace('/v2/', '/') : locationOf(url),
    ...(skipVerify || url.startsWith('http:') ? { insecure: true } : {}),
    ...(capabilities.includes('resolve') ? {} : { 'pull-from-mirror': 'digest-only' }),
  };
}

/** Without scheme and last slash. */
function locationOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`.replace(/\/$/, '');
}

import type { Endpoint } from '../../src/core/index.ts';

/** Where libvirt is: the URI for virsh on its host, and how to get there. */
export interface LibvirtUri {
  /** `qemu:///system`, with the daemon's socket when it has another one. */
  readonly local: string;
  /** Undefined for this host. */
  readonly ssh: { readonly endpoint: Endpoint; readonly username: string | undefined } | undefined;
}

/** What libvirt's own SSH client takes, and this driver has options for. */
const OURS: Readonly<Record<string, string>> = {
  keyfile: 'keyFile',
  known_hosts: 'knownHosts',
  no_verify: 'hostKey',
  known_hosts_verify: 'hostKey',
};

/** Reads a connection URI (https://libvirt.org/uri.html); a string says what is wrong with it. */
export function parseUri(text: string): LibvirtUri | string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return `must look like qemu:///system or qemu+ssh://user@host/system, got ${JSON.stringify(text)}`;
  }
  const socket = url.searchParams.get('socket');
  const ours = [...url.searchParams.keys()].find((key) => key !== 'socket');
  if (ours !== undefined) {
    return OURS[ours] === undefined ? `has a parameter that is not known here: ${ours}` : `set ${OURS[ours]} instead of ${ours}`;
  }
  if (url.password !== '') return 'must not hold a password; log in by key';
  if (!['/system', '/session'].includes(url.pathname)) return `must end in /system or /session, got ${url.pathname}`;
  // A socket is libvirt's business alone when it is reached through its remote driver.
  const local = socket === null ? `qemu://${url.pathname}` : `qemu+unix://${url.pathname}?socket=${socket}`;
  if (url.protocol === 'qemu:' && url.host === '') return { local, ssh: undefined };
  if (url.protocol !== 'qemu+ssh:' || url.hostname === '') return 'must begin with qemu:/// or qemu+ssh://host/';
  const endpoint = { host: url.hostname.replaceAll(/^\[|\]$/g, ''), port: url.port === '' ? 22 : Number(url.port) };
  return { local, ssh: { endpoint, username: url.username === '' ? undefined : decodeURIComponent(url.username) } };
}

/** The same for a URI that the options' schema has let through. */
export function libvirtUri(text: string): LibvirtUri {
  const parsed = parseUri(text);
  if (typeof parsed === 'string') throw new Error(`uri ${parsed}`);
  return parsed;
}

import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { EnvHttpProxyAgent } from 'undici';
import { configError, errorMessage, KibError, maskUrl, type NetworkSettings } from '../core/index.ts';

/**
 * Settings from the variables curl(1) reads: http_proxy, https_proxy, all_proxy, no_proxy, lower case first. SSL_CERT_FILE names more
 * certificate authorities.
 */
export function networkFromEnv(env: Readonly<Record<string, string | undefined>>): NetworkSettings {
  const read = (name: string) => nonEmpty(env[name]) ?? nonEmpty(env[name.toUpperCase()]);
  const settings = {
    httpProxy: read('http_proxy') ?? read('all_proxy'),
    httpsProxy: read('https_proxy') ?? read('all_proxy'),
    noProxy: read('no_proxy'),
    caFile: nonEmpty(env['SSL_CERT_FILE']),
  };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/**
 * The undici dispatcher for these settings; the process environment is not looked at. The caller closes it. Throws
 * KIB_CONFIG_INVALID for a proxy that is no URL and KIB_HOST_PERMISSION for a CA file that cannot be read.
 */
export async function openDispatcher(
  network: NetworkSettings,
  connectMs: number,
  { isInsecure = false }: { readonly isInsecure?: boolean } = {},
): Promise<EnvHttpProxyAgent> {
  const httpProxy = proxyUrl('http_proxy', network.httpProxy);
  const httpsProxy = proxyUrl('https_proxy', network.httpsProxy);
  const ca = network.caFile === undefined ? undefined : [...rootCertificates, await readCa(network.caFile)];
  const tls = { timeout: connectMs, ...(ca === undefined ? {} : { ca }) };
  // A proxy's own certificate is checked all the same.
  const connect = { ...tls, ...(isInsecure ? { rejectUnauthorized: false } : {}) };
  return new EnvHttpProxyAgent({
    // Empty rather than absent: absent would make undici read the environment.
    httpProxy,
    httpsProxy,
    noProxy: network.noProxy ?? '',
    // Plain requests for http: URLs, since many proxies allow CONNECT to port 443 only.
    proxyTunnel: false,
    connect,
    requestTls: connect,
    proxyTls: tls,
    // The deadlines are ours (http.ts), which also see through a proxy.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

function proxyUrl(name: string, value: string | undefined): string {
  if (value === undefined) return '';
  // As in curl(1), a bare host:port is an http proxy.
  const text = value.includes('://') ? value : `http://${value}`;
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw configError([
    {
      path: name,
      message: `want the URL of an HTTP proxy, got ${maskUrl(text)}`,
      hint: `export ${name}=http://proxy.example.org:3128`,
    },
  ]);
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new KibError('KIB_HOST_PERMISSION', `cannot read the certificate authorities in ${path}: ${errorMessage(error)}`, {
      hint: 'SSL_CERT_FILE must name a PEM file',
      cause: error,
    });
  }
}

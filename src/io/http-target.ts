import { KibError, maskUrl } from '../core/index.ts';
import { decodePart } from './url.ts';

/** Where a redirect leads. Throws KIB_HTTP for anything but http and https, and for leaving https. */
export function redirect(from: URL, location: string): URL {
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (target !== undefined && target.protocol === 'https:') return target;
  if (target !== undefined && target.protocol === 'http:' && from.protocol === 'http:') return target;
  throw new KibError('KIB_HTTP', `GET ${maskUrl(from)} was redirected to ${maskUrl(location)}, which is not https`, {
    hint: 'give the address of a server that keeps to https',
  });
}

/** Parses an http: or https: URL, else throws KIB_HTTP. */
export function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new KibError('KIB_HTTP', `cannot download ${maskUrl(text)}`, { hint: 'want an http: or https: URL' });
}

/** The header for the user and password of a URL, if it has any. */
export function authorization(login: URL | undefined): Record<string, string> {
  if (login === undefined || (login.username === '' && login.password === '')) return {};
  const pair = `${decodePart(login.username)}:${decodePart(login.password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

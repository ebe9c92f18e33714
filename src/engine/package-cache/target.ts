/** What a guest asked for, as the address it lies at. */
export interface Target {
  readonly url: string;
  /** A list of mirrors (mirrorlist or metalink), in which the guest must find addresses that lead here. */
  readonly isMirrorList: boolean;
}

/** Host names that end so lead nowhere (RFC 6761 §6.4), so a request for one can only have been meant for the proxy. */
const MARK = /^(.+)\.(https|http-mirrors|https-mirrors)\.invalid$/;
/** `this machine` and `this link`: what such an address means to the guest is not what it means to this host. */
const LOCAL = /^(?:localhost|.*\.localhost|0\.0\.0\.0|127\.[\d.]+|169\.254\.[\d.]+|\[.*\])$/;

/** `/<token>/https/<host>/<path>`, as the apt wrapper asks. Undefined for anything else, and for hosts that only the guest can mean. */
export function fromPath(requestTarget: string, token: string): Target | undefined {
  const prefix = `/${token}/`;
  if (!requestTarget.startsWith(prefix)) return undefined;
  const match = /^(https?)\/([^/?#@]+\/.*)$/.exec(requestTarget.slice(prefix.length));
  return match === null ? undefined : checked(`${match[1]}://${match[2]}`, false);
}

/** What a proxy is asked for, `http://host/path`, where `host.https.invalid` stands for https: and `host.https-mirrors.invalid` for a list. */
export function fromProxy(requestTarget: string): Target | undefined {
  if (!/^http:\/\/[^/?#@]+\//.test(requestTarget) || !URL.canParse(requestTarget)) return undefined;
  const url = new URL(requestTarget);
  const match = MARK.exec(url.hostname);
  if (match === null) return checked(requestTarget, false);
  const [, host = '', how = ''] = match;
  const port = url.port === '' ? '' : `:${url.port}`;
  const rest = requestTarget.slice(requestTarget.indexOf('/', 'http://'.length));
  return checked(`${how.startsWith('https') ? 'https' : 'http'}://${host}${port}${rest}`, how.endsWith('-mirrors'));
}

/** The address to give a guest whose proxy we are, so that it asks us for `url` in a way we can keep. The reverse of `fromProxy`. */
export function forProxy(url: string): string {
  return url.replace(/^https:\/\/([^/:?#@[\]]+)(:\d+)?(?=\/|$)/i, 'http://$1.https.invalid$2');
}

/** The address as it is fetched; undefined for one that only the guest can mean, or that carries a login. */
export function fetchable(url: string): string | undefined {
  if (!/^https?:/.test(url) || !URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  return LOCAL.test(parsed.hostname) || parsed.username !== '' ? undefined : parsed.href;
}

function checked(url: string, isMirrorList: boolean): Target | undefined {
  const found = fetchable(url);
  return found === undefined ? undefined : { url: found, isMirrorList };
}

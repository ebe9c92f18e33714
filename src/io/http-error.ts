import { errorMessage, isKibError, KibError, maskUrl, systemCode } from '../core/index.ts';

const RETRYABLE_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A server that asks for a longer pause than this is given up on. */
const MAX_RETRY_AFTER_MS = 120_000;

const STATUS_HINTS: Readonly<Record<number, string>> = {
  401: 'the server wants a login: put it into the URL as https://user:password@host/…',
  403: 'the server refuses this file: check the address, and whether a proxy or firewall filters it',
  404: 'check the address and version; the file may have been withdrawn',
  407: 'the proxy wants a login: http_proxy=http://user:password@proxy:port',
  410: 'check the address and version; the file was withdrawn',
};

/** KIB_HTTP for an answer that is not the file. `retryAfter` is the header of that name. */
export function statusError(url: URL, status: number, reason: string, retryAfter: string | undefined, now: number): KibError {
  const retryAfterMs = parseRetryAfter(retryAfter, now);
  const tooLong = retryAfterMs !== undefined && retryAfterMs > MAX_RETRY_AFTER_MS;
  return new KibError('KIB_HTTP', `GET ${maskUrl(url)} answered ${status}${reason === '' ? '' : ` ${reason}`}`, {
    hint: tooLong ? `the server asks to come back in ${Math.round(retryAfterMs / 1000)} s` : STATUS_HINTS[status],
    retryable: RETRYABLE_STATUS.has(status) && !tooLong,
    details: { url: maskUrl(url), status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
  });
}

/** KIB_HTTP for a transfer that failed below HTTP: name, connection, TLS, protocol. A KibError stays what it is. */
export function transferError(url: URL, error: unknown): KibError {
  if (isKibError(error)) return error;
  const code = systemCode(error) ?? systemCode((error as { cause?: unknown }).cause) ?? '';
  // Connecting to several addresses at once fails with an AggregateError, which has no message of its own.
  const message = errorMessage(error) || code || 'connection failed';
  const proxyStatus =
    /^Proxy response \((\d+)\)/.exec(message)?.[1] ?? /^Proxy Authentication Required \((\d+)\)/.exec(message)?.[1];
  const isTls = /CERT|^UNABLE_TO_|^SELF_SIGNED|^ERR_(TLS|SSL)/.test(code);
  const permanent =
    isTls || proxyStatus !== undefined || code === 'ENOTFOUND' || code.startsWith('HPE_') || code === 'UND_ERR_INVALID_ARG';
  return new KibError('KIB_HTTP', `GET ${maskUrl(url)} failed: ${message}`, {
    hint:
      proxyStatus !== undefined
        ? (STATUS_HINTS[Number(proxyStatus)] ?? 'the proxy refuses this host: check http_proxy, https_proxy and no_proxy')
        : isTls
          ? 'behind a proxy that opens TLS, name its certificate authority: SSL_CERT_FILE=/path/ca.pem'
          : 'check the network, and http_proxy, https_proxy and no_proxy if there is a proxy',
    retryable: !permanent,
    cause: error,
    details: { url: maskUrl(url), ...(code === '' ? {} : { code }) },
  });
}

/** KIB_DISK_FULL or KIB_HOST_PERMISSION for what a file system says about writing `path`, else the error itself. */
export function diskError(error: unknown, path: string): unknown {
  const code = systemCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(path, undefined, error);
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') return error;
  return new KibError('KIB_HOST_PERMISSION', `cannot write ${path}: ${errorMessage(error)}`, {
    hint: 'make the folder writable, or choose another cache folder with XDG_CACHE_HOME',
    cause: error,
  });
}

/** KIB_DISK_FULL for writing `path`; `missing` says how much does not fit. */
export function diskFull(path: string, missing?: string, cause?: unknown): KibError {
  return new KibError('KIB_DISK_FULL', `no space left for ${path}${missing === undefined ? '' : `: ${missing}`}`, {
    hint: 'free some space, or choose another cache folder with XDG_CACHE_HOME; the download goes on where it stopped',
    cause,
  });
}

/** Whether the server said that there is no such file, or not any more. */
export function isGone(error: unknown): boolean {
  return statusOf(error) === 404 || statusOf(error) === 410;
}

/** Whether the server has no such file for us: some say so by refusing it. */
export function isAbsent(error: unknown): boolean {
  return isGone(error) || statusOf(error) === 403;
}

/** Whether the server said, to a conditional request, that nothing changed. */
export function isNotModified(error: unknown): boolean {
  return statusOf(error) === 304;
}

/** Whether there was no answer, or one that says the server is out of order. */
export function isNetworkFailure(error: unknown): boolean {
  return isKibError(error) && error.code === 'KIB_HTTP' && (statusOf(error) ?? 500) >= 500;
}

function statusOf(error: unknown): number | undefined {
  const status = isKibError(error) ? error.details['status'] : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** What the failure itself asks to wait, in milliseconds. */
export function requestedDelay(error: unknown): number | undefined {
  const value = isKibError(error) ? error.details['retryAfterMs'] : undefined;
  return typeof value === 'number' ? value : undefined;
}

/** RFC 9110 §10.2.3: seconds or a date. */
function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

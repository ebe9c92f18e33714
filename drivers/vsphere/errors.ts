import { errorMessage, isKibError, KibError, systemCode } from '../../src/core/index.ts';

/** A call as messages name it. */
export interface Named {
  readonly method: string;
  readonly path: string;
}

interface Refusal {
  readonly type: string | undefined;
  readonly message: string;
}

/** KIB_VSPHERE… for an answer that refuses, with vCenter's own words. */
export function refused(server: string, { method, path }: Named, status: number, body: unknown): KibError {
  const { type, message } = refusalOf(body, status);
  const details = { status, call: `${method} ${path}`, ...(type === undefined ? {} : { type }) };
  if (status === 401) {
    return new KibError('KIB_VSPHERE_LOGIN', `${server} does not take the login: ${message}`, {
      hint: 'check driver.username, with its domain (kib@vsphere.local), and driver.password',
      details,
    });
  }
  if (status === 403 || type === 'UNAUTHORIZED') {
    return new KibError('KIB_VSPHERE_UNAUTHORIZED', `${server} does not allow ${method} ${path}: ${message}`, {
      hint: 'docs/drivers/vsphere.md lists the privileges that the account needs, and on which objects',
      details,
    });
  }
  if (isFull(message)) {
    return new KibError('KIB_VSPHERE_STORAGE', `${server} has no room for ${method} ${path}: ${message}`, {
      hint: 'free some space on the datastore, or choose another one with driver.datastore',
      details,
    });
  }
  return new KibError('KIB_VSPHERE', `${server} refused ${method} ${path}: ${message}`, {
    retryable: status === 503 || status === 429 || status === 502 || status === 504,
    details,
  });
}

/** KIB_VSPHERE_CONNECT for a transfer that failed below HTTP. A KibError stays what it is. */
export function unreachable(server: string, error: unknown): KibError {
  if (isKibError(error)) return error;
  const code = systemCode(error) ?? systemCode((error as { cause?: unknown }).cause) ?? '';
  const message = errorMessage(error) || code || 'connection failed';
  const isTls = /CERT|^UNABLE_TO_|^SELF_SIGNED|^ERR_(TLS|SSL)/.test(code);
  return new KibError('KIB_VSPHERE_CONNECT', `cannot reach vCenter ${server}: ${message}`, {
    hint: isTls
      ? 'name its certificate authority with driver.caFile, or do not check with driver.insecure: true'
      : 'check driver.server, the network, and https_proxy and no_proxy if there is a proxy',
    retryable: !isTls && code !== 'ENOTFOUND',
    cause: error,
    details: code === '' ? {} : { code },
  });
}

/** Whether the thing is not there (any more). */
export function isGone(error: unknown): boolean {
  return isKibError(error) && (error.details['status'] === 404 || error.details['type'] === 'NOT_FOUND');
}

/** Whether vCenter said that it is not ready for that yet: the tools do not run, or have told nothing. */
export function isNotYet(error: unknown): boolean {
  return isKibError(error) && error.details['status'] === 503;
}

/** Whether it was refused since the thing is in a state that does not allow it, such as off already. */
export function isInOtherState(error: unknown): boolean {
  const type = isKibError(error) ? error.details['type'] : undefined;
  return type === 'NOT_ALLOWED_IN_CURRENT_STATE' || type === 'ALREADY_IN_DESIRED_STATE';
}

/** Whether vCenter speaks of a datastore without room. */
export function isFull(message: string): boolean {
  return /insufficient disk space|no space left|datastore.*(is full|out of space)|NoDiskSpace/i.test(message);
}

/** The words of a vAPI error (`error_type`, `messages`), of a VI-JSON fault, or of whatever else stands before vCenter. */
function refusalOf(body: unknown, status: number): Refusal {
  const at = (value: unknown, key: string): unknown =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  const messages = at(body, 'messages') ?? at(at(body, 'value'), 'messages');
  const texts = Array.isArray(messages) ? messages.map((message) => at(message, 'default_message')).filter(isText) : [];
  const type = at(body, 'error_type') ?? at(body, '_typeName');
  const text = [...texts, at(body, 'localizedMessage'), at(at(body, 'fault'), '_typeName')].filter(isText);
  const [first = typeof body === 'string' && body !== '' ? body.slice(0, 300) : `status ${status}`] = text;
  return { type: isText(type) ? type : undefined, message: texts.length > 1 ? texts.join('; ') : first };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

import { describe, expect, it } from 'vitest';
import { diskError, requestedDelay, statusError, transferError } from '../../../src/io/http-error.ts';

const url = new URL('https://example.org/x');
const fault = (code: string, message = code) => Object.assign(new Error(message), { code });

describe('statusError', () => {
  it.each([
    [408, true],
    [429, true],
    [503, true],
    [404, false],
    [501, false],
    [304, false],
  ])('%i may be tried again: %s', (status, retryable) => {
    expect(statusError(url, status, '', undefined, 0).retryable).toBe(retryable);
  });

  it('understands Retry-After as seconds and as a date', () => {
    expect(requestedDelay(statusError(url, 503, '', '7', 0))).toBe(7000);
    expect(requestedDelay(statusError(url, 503, '', 'Thu, 01 Jan 1970 00:01:00 GMT', 20_000))).toBe(40_000);
    expect(requestedDelay(statusError(url, 503, '', 'soon', 0))).toBeUndefined();
  });
});

describe('transferError', () => {
  it.each([
    ['ECONNRESET', true],
    ['ECONNREFUSED', true],
    ['EAI_AGAIN', true],
    ['UND_ERR_SOCKET', true],
    ['ENOTFOUND', false],
    ['CERT_HAS_EXPIRED', false],
    ['SELF_SIGNED_CERT_IN_CHAIN', false],
    ['ERR_TLS_CERT_ALTNAME_INVALID', false],
    ['HPE_INVALID_CONSTANT', false],
  ])('%s may be tried again: %s', (code, retryable) => {
    expect(transferError(url, fault(code)).retryable).toBe(retryable);
  });

  it('says something for an error without a message', () => {
    expect(transferError(url, fault('ECONNREFUSED', '')).message).toBe('GET https://example.org/x failed: ECONNREFUSED');
  });

  it('points to the CA setting when a certificate is not trusted', () => {
    expect(transferError(url, fault('UNABLE_TO_GET_ISSUER_CERT_LOCALLY')).hint).toContain('SSL_CERT_FILE=');
  });
});

describe('diskError', () => {
  it.each([
    ['ENOSPC', 'KIB_DISK_FULL'],
    ['EDQUOT', 'KIB_DISK_FULL'],
    ['EACCES', 'KIB_HOST_PERMISSION'],
    ['EROFS', 'KIB_HOST_PERMISSION'],
  ])('turns %s into %s', (code, want) => {
    expect(diskError(fault(code), '/cache/x')).toMatchObject({
      code: want,
      message: expect.stringContaining('/cache/x') as string,
    });
  });

  it('leaves the rest alone', () => {
    const error = fault('EIO');
    expect(diskError(error, '/cache/x')).toBe(error);
  });
});

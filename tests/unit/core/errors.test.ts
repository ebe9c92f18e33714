import { describe, expect, it } from 'vitest';
import {
  cancelled,
  configError,
  ERROR_CODES,
  type ErrorCode,
  EXIT_STATUS,
  errorMessage,
  isKibError,
  KibError,
  systemCode,
} from '../../../src/core/index.ts';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

describe('error codes', () => {
  it.each(CODES)('%s has a class, a text and an exit status', (code) => {
    const error = new KibError(code, 'message');
    const [errorClass, text] = ERROR_CODES[code];
    expect(code).toMatch(/^KIB(_[A-Z][A-Z0-9]*)+$/);
    expect(error.class).toBe(errorClass);
    expect(error.exitCode).toBe(EXIT_STATUS[errorClass]);
    expect(text).toMatch(/^(QEMU |EC2 |ESXi |vCenter |AWS |Amazon |[a-z]).*[^.\s]$/);
  });

  it('have texts of their own', () => {
    const texts = CODES.map((code) => ERROR_CODES[code][1]);
    expect(new Set(texts).size).toBe(texts.length);
  });

  it('have exit statuses that tell the classes apart and are not used by shells', () => {
    const statuses = Object.values(EXIT_STATUS);
    expect(new Set(statuses).size).toBe(statuses.length);
    expect(statuses.filter((status) => status < 2 || status === 70 || status === 126 || status === 127)).toEqual([]);
  });
});

describe('KibError', () => {
  it('carries code, hint, cause and details into JSON', () => {
    const error = new KibError('KIB_HTTP', 'wanted 200, got 404', {
      hint: 'check the URL',
      cause: new Error('socket hang up'),
      details: { url: 'https://example.org/x' },
    });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'KIB_HTTP',
      class: 'fetch',
      message: 'wanted 200, got 404',
      hint: 'check the URL',
      details: { url: 'https://example.org/x' },
      cause: 'socket hang up',
    });
    expect(error).toBeInstanceOf(Error);
    expect(error.retryable).toBe(false);
    expect(error.suppressed).toEqual([]);
  });

  it('has no cause unless given one', () => {
    expect('cause' in new KibError('KIB_HTTP', 'x')).toBe(false);
    expect(new KibError('KIB_HTTP', 'x', { cause: 'text' }).cause).toBe('text');
  });

  it('is known across copies of the package', () => {
    expect(isKibError(new KibError('KIB_HTTP', 'x'))).toBe(true);
    expect(isKibError({ [Symbol.for('kib-native.error')]: true })).toBe(true);
    for (const other of [new Error('x'), 'x', null, undefined, 1, {}]) expect(isKibError(other)).toBe(false);
  });
});

describe('configError', () => {
  const here = { path: 'kubernetes.version', message: 'must look like v1.36.1', source: 'node.yaml:3:5', hint: 'add the v' };

  it('is one line for one problem', () => {
    const error = configError([here]);
    expect(error.message).toBe('node.yaml:3:5: kubernetes.version: must look like v1.36.1 (add the v)');
    expect(error.code).toBe('KIB_CONFIG_INVALID');
    expect(error.exitCode).toBe(2);
  });

  it('lists all problems', () => {
    const error = configError([here, { path: '', message: 'is empty' }], 'KIB_RECIPE_INVALID');
    expect(error.message).toBe(
      '2 problems:\n  node.yaml:3:5: kubernetes.version: must look like v1.36.1 (add the v)\n  is empty',
    );
    expect(error.code).toBe('KIB_RECIPE_INVALID');
    expect(error.details['issues']).toHaveLength(2);
  });
});

describe('cancelled', () => {
  it('says by what', () => {
    const error = cancelled('SIGINT');
    expect([error.code, error.message, error.exitCode]).toEqual(['KIB_CANCELLED', 'interrupted: SIGINT', 130]);
  });

  it('takes a KibError as it is', () => {
    const timeout = new KibError('KIB_BOOT_TIMEOUT', 'too slow');
    expect(cancelled(timeout)).toBe(timeout);
  });
});

it('errorMessage and systemCode take anything', () => {
  expect(errorMessage(new Error('text'))).toBe('text');
  expect(errorMessage('text')).toBe('text');
  expect(errorMessage(undefined)).toBe('undefined');
  expect(systemCode(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT');
  expect(systemCode({ code: 5 })).toBeUndefined();
  expect(systemCode(null)).toBeUndefined();
});

import { describe, expect, it } from 'vitest';
import { amiName, fillIn } from '../../../src/aws/ami-name.ts';
import { loadSdk } from '../../../src/aws/api.ts';
import { awsCode, awsError, isGone } from '../../../src/aws/errors.ts';

const call = { service: 'ec2', action: 'RunInstances', region: 'eu-central-1' };

function thrown(name: string, message = 'said Amazon', more: object = {}): Error {
  return Object.assign(new Error(message), { name, $metadata: { requestId: 'req-1', httpStatusCode: 400 }, ...more });
}

describe('errors of Amazon', () => {
  it.each([
    ['CredentialsProviderError', 'KIB_EC2_CREDENTIALS', false],
    ['AuthFailure', 'KIB_EC2_CREDENTIALS', false],
    ['ExpiredTokenException', 'KIB_EC2_CREDENTIALS', false],
    ['UnauthorizedOperation', 'KIB_EC2_UNAUTHORIZED', false],
    ['AccessDeniedException', 'KIB_EC2_UNAUTHORIZED', false],
    ['InsufficientInstanceCapacity', 'KIB_EC2_CAPACITY', true],
    ['VcpuLimitExceeded', 'KIB_EC2_QUOTA', false],
    ['MaxSpotInstanceCountExceeded', 'KIB_EC2_QUOTA', false],
    ['RequestLimitExceeded', 'KIB_EC2', true],
    ['RequestThrottledException', 'KIB_EC2', true],
    ['InvalidAMIName.Duplicate', 'KIB_EC2_NAME_TAKEN', false],
    ['InvalidAMIID.NotFound', 'KIB_BASE_MISSING', false],
    ['InvalidSubnetID.NotFound', 'KIB_EC2_NETWORK', false],
    ['TimeoutError', 'KIB_EC2_UNREACHABLE', true],
    ['InvalidParameterValue', 'KIB_EC2', false],
  ] as const)('%s is %s', (name, code, retryable) => {
    const error = awsError(thrown(name), call);
    expect(error).toMatchObject({ code, retryable, details: { action: 'ec2:RunInstances', awsCode: name, requestId: 'req-1' } });
    expect(error.message).toContain('ec2:RunInstances');
    expect(error.message).toContain('eu-central-1');
    expect(awsCode(error)).toBe(name);
  });

  it('of the server, and of this host, may be tried again', () => {
    expect(awsError(thrown('InternalError', 'oops', { $metadata: { httpStatusCode: 503 } }), call)).toMatchObject({
      retryable: true,
    });
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(awsError(refused, call)).toMatchObject({ code: 'KIB_EC2_UNREACHABLE', retryable: true });
  });

  it('do without what only Amazon can read', () => {
    const said = 'You are not authorized. User: me. Encoded authorization failure message: aaaa\nbbbb';
    expect(awsError(thrown('UnauthorizedOperation', said), call).message).toBe(
      'not allowed to call ec2:RunInstances in eu-central-1: You are not authorized. User: me. (UnauthorizedOperation)',
    );
  });

  it('tell what is gone', () => {
    expect(isGone(awsError(thrown('InvalidSnapshot.NotFound'), call))).toBe(true);
    expect(isGone(awsError(thrown('InvalidSnapshot.InUse'), call))).toBe(false);
    expect(isGone(new Error('InvalidSnapshot.NotFound'))).toBe(false);
  });

  it('a package that is not installed is named', async () => {
    const missing = async () => Promise.reject(Object.assign(new Error('no such package'), { code: 'ERR_MODULE_NOT_FOUND' }));
    await expect(loadSdk(missing, '@aws-sdk/client-ec2')).rejects.toMatchObject({
      code: 'KIB_EC2_SDK',
      hint: 'npm install @aws-sdk/client-ec2',
    });
    await expect(loadSdk(async () => Promise.reject(new Error('broken')), 'x')).rejects.toThrow('broken');
  });
});

describe('names of AMIs', () => {
  const facts = {
    name: 'debian13',
    buildId: 'b-1',
    now: Date.UTC(2026, 10, 20, 9, 8, 7),
    properties: { KUBERNETES_SEMVER: 'v1.36.4+x' },
  };

  it.each([
    ['{name}-{timestamp}', 'debian13-20261120T090807Z'],
    ['{name} {KUBERNETES_SEMVER} ({build})', 'debian13 v1.36.4-x (b-1)'],
    ['a:b', 'a-b'],
  ])('%s becomes %s', (template, name) => {
    expect(amiName(template, facts)).toBe(name);
  });

  it('have 3 to 128 characters, and only known words', () => {
    expect(() => amiName('x'.repeat(129), facts)).toThrow('3 to 128 characters, got 129');
    expect(() => fillIn('{when}', facts)).toThrow('{when}, which means nothing');
  });
});

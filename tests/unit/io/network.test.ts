import { describe, expect, it } from 'vitest';
import { networkFromEnv, openDispatcher } from '../../../src/io/network.ts';

describe('networkFromEnv', () => {
  it('prefers lower case and falls back to all_proxy', () => {
    expect(
      networkFromEnv({ http_proxy: 'http://a:1', HTTP_PROXY: 'http://b:1', ALL_PROXY: 'http://c:1', NO_PROXY: 'x' }),
    ).toEqual({
      httpProxy: 'http://a:1',
      httpsProxy: 'http://c:1',
      noProxy: 'x',
    });
  });

  it('takes empty variables for unset', () => {
    expect(networkFromEnv({ http_proxy: ' ', SSL_CERT_FILE: '' })).toEqual({});
  });
});

describe('openDispatcher', () => {
  it('refuses what is no HTTP proxy, without showing its password', async () => {
    const opening = openDispatcher({ httpsProxy: 'socks5://me:hunter2@proxy:1080' }, 1000);
    await expect(opening).rejects.toMatchObject({ code: 'KIB_CONFIG_INVALID' });
    await expect(opening).rejects.not.toThrow('hunter2');
  });

  it('names a CA file that cannot be read', async () => {
    await expect(openDispatcher({ caFile: '/nonexistent/ca.pem' }, 1000)).rejects.toMatchObject({ code: 'KIB_HOST_PERMISSION' });
  });
});

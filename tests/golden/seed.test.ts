import { describe, it } from 'vitest';
import { buildSeed } from '../../cloudinit/seed.ts';
import { expectGolden } from '../support/golden.ts';

const login = { username: 'kib', authorizedKey: 'ssh-ed25519 AAAAlogin kib-native login' };
const hostKey = {
  privateKey: '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAAprivate\n-----END OPENSSH PRIVATE KEY-----\n',
  publicKey: 'ssh-ed25519 AAAAhost root@localhost',
};

describe('NoCloud seed', () => {
  for (const [name, seed] of Object.entries({
    build: buildSeed({ login, hostKey, minimal: true, instanceId: 'kib-1', hostname: 'localhost' }),
    verify: buildSeed({ login, hostKey, minimal: false, instanceId: 'kib-verify-1', hostname: 'kib-verify' }),
    'static-network': buildSeed({
      login,
      hostKey,
      minimal: true,
      instanceId: 'kib-2',
      hostname: 'localhost',
      network: [
        { macAddress: '52:54:00:AB:CD:EF', addresses: ['192.0.2.10/24'], gateway: '192.0.2.1', nameservers: ['192.0.2.53'] },
        { macAddress: '52:54:00:12:34:56' },
      ],
    }),
  })) {
    for (const [file, text] of Object.entries(seed)) {
      it(`${name}: ${file}`, () => expectGolden(`fixtures/seed/${name}/${file}`, text));
    }
  }
});

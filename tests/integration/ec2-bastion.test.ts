import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ec2 } from '../../drivers/ec2/driver.ts';
import type { Endpoint } from '../../src/core/index.ts';
import { FakeAws } from '../support/ec2/fake.ts';
import { fakeOptions, launchRequest, useFakeCredentials } from '../support/ec2/rig.ts';
import { canRunSshd, startSshd } from '../support/sshd.ts';
import { testContext } from '../support/test-context.ts';
import { workspace } from '../support/workspace.ts';

useFakeCredentials();

/** Only root may listen where an instance would. */
const INSTANCE = '127.22.250.9';

describe.skipIf(!canRunSshd)('an instance behind a bastion', () => {
  it('is reached through an OpenSSH server, by its private address', async () => {
    const dir = await workspace();
    await using sshd = await startSshd(dir);
    await writeFile(join(dir, 'key'), sshd.credentials.privateKey, { mode: 0o600 });
    const guest = createServer((socket) => socket.end('SSH-2.0-guest\r\n'));
    await new Promise<void>((resolve) => {
      guest.listen(22, INSTANCE, resolve);
    });
    try {
      await using aws = await FakeAws.start();
      aws.address = INSTANCE;
      const { host, port } = sshd.endpoint;
      const { username: user, hostKey } = sshd.credentials;
      const options = fakeOptions(aws, {
        allowFrom: undefined,
        bastion: { host, port, user, hostKey, keyFile: join(dir, 'key') },
      });
      await using context = await testContext();
      const machine = await ec2.launch(launchRequest(aws.addImage({ name: 'base' })), options, context);
      // Who comes through the bastion comes from inside the VPC.
      expect([...aws.region().groups.values()][0]?.ingress).toMatchObject([{ cidrIpv4: '172.31.0.0/16' }]);
      const run = aws.calls.find(({ action }) => action === 'RunInstances');
      expect(run?.params).toMatchObject({ NetworkInterface: [{ AssociatePublicIpAddress: 'false' }] });
      const endpoint = await machine.endpoint(context.signal);
      expect(endpoint.host).toBe('127.0.0.1');
      expect(endpoint.port).not.toBe(port);
      expect(await greeting(endpoint)).toBe('SSH-2.0-guest\r\n');
      expect(await machine.endpoint(context.signal)).toEqual(endpoint);
      await machine[Symbol.asyncDispose]();
      await expect(greeting(endpoint)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      expect(aws.leftovers()).toEqual([]);
    } finally {
      guest.close();
    }
  });
});

/** What a server says first. */
async function greeting({ host, port }: Endpoint): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.on('data', (chunk: Buffer) => {
      resolve(chunk.toString());
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('end', () => resolve(''));
  });
}

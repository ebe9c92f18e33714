import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FakeInstance } from './state.ts';

/** The instance metadata service of one instance, version 2 alone: without a session token it says 401 (AWS: Use IMDSv2). */
export async function startImds(instance: FakeInstance): Promise<Server> {
  const token = `token-of-${instance.id}`;
  const tree: Readonly<Record<string, string>> = {
    'meta-data/': 'ami-id\nhostname\ninstance-id\ninstance-type\nlocal-hostname\nplacement/',
    'meta-data/ami-id': instance.imageId,
    'meta-data/hostname': instance.id,
    'meta-data/instance-id': instance.id,
    'meta-data/instance-type': instance.type,
    'meta-data/local-hostname': instance.id,
    'meta-data/placement/': 'availability-zone',
    'meta-data/placement/availability-zone': instance.volume.zone,
    'dynamic/instance-identity/': 'document',
    'dynamic/instance-identity/document': JSON.stringify({ instanceId: instance.id, region: instance.volume.zone.slice(0, -1) }),
  };
  const server = createServer((request, response) => {
    const [, , path = ''] = /^\/([^/]+)\/(.*)$/.exec(request.url ?? '') ?? [];
    const answer = (status: number, body: string | Buffer = '') => {
      response.writeHead(status, { connection: 'close', 'content-length': Buffer.byteLength(body) });
      response.end(body);
    };
    if (request.method === 'PUT' && path === 'api/token') return answer(200, token);
    if (request.headers['x-aws-ec2-metadata-token'] !== token) return answer(401);
    if (path === 'user-data') return answer(200, Buffer.from(instance.userData, 'base64'));
    const text = tree[path] ?? tree[`${path}/`];
    return text === undefined ? answer(404) : answer(200, text);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

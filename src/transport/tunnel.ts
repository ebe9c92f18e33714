import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Endpoint } from '../core/index.ts';
import { isForwardingForbidden, type SshHost } from './host.ts';

/** A port of this host's loopback that leads to an address that only another host reaches. Disposing closes it and its connections. */
export interface Tunnel extends AsyncDisposable {
  readonly endpoint: Endpoint;
  /** Whether the host's SSH server does not forward connections at all. */
  readonly isForbidden: boolean;
}

/** Opens a tunnel. It keeps no process alive; a connection that cannot be made behind it is closed at once, as by QEMU's user network. */
export async function openTunnel(host: SshHost, target: Endpoint): Promise<Tunnel> {
  const sockets = new Set<Socket>();
  const stop = new AbortController();
  let isForbidden = false;
  const lead = async (socket: Socket): Promise<void> => {
    const stream = await host.dial(target, stop.signal);
    stream.on('error', () => socket.destroy());
    stream.once('close', () => socket.destroy());
    socket.once('close', () => stream.destroy());
    socket.pipe(stream).pipe(socket);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => sockets.delete(socket));
    lead(socket).catch((error: unknown) => {
      isForbidden ||= isForwardingForbidden(error);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: { host: '127.0.0.1', port },
    get isForbidden() {
      return isForbidden;
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the tunnel was closed'));
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

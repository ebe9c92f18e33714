import { createServer, type Socket } from 'node:net';

export interface FakeQmp extends AsyncDisposable {
  readonly path: string;
  /** Commands received, in order, qmp_capabilities included. */
  readonly received: readonly { readonly execute: string; readonly arguments: unknown; readonly id: number }[];
  /** Sends raw text to every client. */
  send(text: string): void;
  /** Drops every client. */
  hangUp(): void;
}

/** Answers like QEMU 7.2: `reply` gives the rest of a reply's object, or undefined for silence. Default: an empty return for everything. */
export async function fakeQmp(
  path: string,
  reply: (command: string, args: unknown) => object | undefined = () => ({ return: {} }),
  greeting = '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}\r\n',
): Promise<FakeQmp> {
  const received: { execute: string; arguments: unknown; id: number }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.write(greeting);
    let rest = '';
    socket.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const command = JSON.parse(line) as { execute: string; arguments: unknown; id: number };
        received.push(command);
        const answer = command.execute === 'qmp_capabilities' ? { return: {} } : reply(command.execute, command.arguments);
        if (answer !== undefined) socket.write(`${JSON.stringify({ ...answer, id: command.id })}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    received,
    send: (text) => sockets.forEach((socket) => socket.write(text)),
    hangUp: () => sockets.forEach((socket) => socket.destroy()),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

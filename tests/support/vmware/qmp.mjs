// A client of QMP (qemu.org, QMP protocol specification) for the machines that run.
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';

/** Calls `work` with a function that runs one command and returns its answer. */
export async function withQmp(path, work) {
  const socket = createConnection(path);
  await once(socket, 'connect');
  const reader = createInterface({ input: socket });
  socket.on('error', () => reader.close());
  const lines = reader[Symbol.asyncIterator]();
  const execute = async (command, args = {}) => {
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`QEMU ended during ${command}`);
      const answer = JSON.parse(value);
      if (answer.error !== undefined) throw new Error(`${command}: ${answer.error.desc}`);
      if (Object.hasOwn(answer, 'return')) return answer.return;
    }
  };
  try {
    await execute('qmp_capabilities');
    return await work(execute);
  } finally {
    socket.destroy();
  }
}

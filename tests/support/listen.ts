import type { Server } from 'node:http';

/** Listens on `port`, or on a free one where somebody else has it. A port that stays the same lets caches find what earlier runs fetched. */
export async function listenOnFree(server: Server, port: number, host: string): Promise<void> {
  const listen = (on: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(on, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  await listen(port).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    return listen(0);
  });
}

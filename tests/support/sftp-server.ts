import { type FileHandle, open, stat } from 'node:fs/promises';
import ssh2, { type SFTPWrapper } from 'ssh2';

const { OPEN_MODE, STATUS_CODE } = ssh2.utils.sftp;

export interface SftpFaults {
  /** Flips a bit of the first byte written to every file. */
  readonly corruptWrites?: boolean;
}

/** Serves SFTP from this host's file system: enough for fastPut and fastGet. */
export function serveSftp(sftp: SFTPWrapper, faults: SftpFaults): void {
  const handles = new Map<number, FileHandle>();
  let next = 0;
  const handleOf = (id: Buffer): FileHandle => {
    const handle = handles.get(id.readUInt32BE(0));
    if (handle === undefined) throw new Error('no such handle');
    return handle;
  };
  const answer = (request: number, work: () => Promise<void>) => {
    work().catch((error: Error & { code?: string }) => {
      const code = error.code === 'ENOENT' ? STATUS_CODE.NO_SUCH_FILE : STATUS_CODE.FAILURE;
      sftp.status(request, code, error.message);
    });
  };
  sftp.on('OPEN', (request, path, flags) => {
    answer(request, async () => {
      handles.set(++next, await open(path, (flags & OPEN_MODE.WRITE) === 0 ? 'r' : 'w'));
      const id = Buffer.alloc(4);
      id.writeUInt32BE(next);
      sftp.handle(request, id);
    });
  });
  sftp.on('WRITE', (request, id, offset, data) => {
    answer(request, async () => {
      const bytes = Buffer.from(data);
      if (faults.corruptWrites === true && offset === 0) bytes.writeUInt8((bytes[0] ?? 0) ^ 1, 0);
      await handleOf(id).write(bytes, 0, bytes.length, offset);
      sftp.status(request, STATUS_CODE.OK);
    });
  });
  sftp.on('READ', (request, id, offset, length) => {
    answer(request, async () => {
      const { bytesRead, buffer } = await handleOf(id).read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead === 0) sftp.status(request, STATUS_CODE.EOF);
      else sftp.data(request, buffer.subarray(0, bytesRead));
    });
  });
  const attributes = (request: number, read: () => Promise<{ size: number; mode: number }>) => {
    answer(request, async () => {
      const { size, mode } = await read();
      sftp.attrs(request, { size, mode, uid: 0, gid: 0, atime: 0, mtime: 0 });
    });
  };
  sftp.on('FSTAT', (request, id) => attributes(request, () => handleOf(id).stat()));
  sftp.on('STAT', (request, path) => attributes(request, () => stat(path)));
  sftp.on('CLOSE', (request, id) => {
    answer(request, async () => {
      await handleOf(id).close();
      handles.delete(id.readUInt32BE(0));
      sftp.status(request, STATUS_CODE.OK);
    });
  });
  sftp.on('close', () => {
    for (const handle of handles.values()) handle.close().catch(() => {});
    handles.clear();
  });
}

import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack as tarPack } from 'tar-stream';
import { GiB } from '../core/index.ts';

/** What goes into the archive: text, or a file of this host. */
export type TarMember = { readonly name: string; readonly bytes: number } & (
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string }
);

/** POSIX ustar (pax(1)): a member's size has 11 octal digits. */
export const MAX_MEMBER_BYTES = 8 * GiB - 1;

const BLOCK = 512;
// Equal inputs give equal archives. Not 1970, which tar(1) calls implausible.
const MTIME = new Date(Date.UTC(1980, 0, 1));

/** Where each member's content starts when `members` are packed in this order: header blocks and padding lie between. */
export function tarOffsets(members: readonly Pick<TarMember, 'bytes'>[]): readonly number[] {
  let end = 0;
  return members.map(({ bytes }) => {
    const start = end + BLOCK;
    end = start + Math.ceil(bytes / BLOCK) * BLOCK;
    return start;
  });
}

/**
 * A ustar archive of the members in this order, as a stream: owner root, mode 0644, a fixed time. Members must not be larger than
 * MAX_MEMBER_BYTES nor their names longer than 100 bytes. Errors of reading a file come out of the stream.
 */
export function tarStream(members: readonly TarMember[], signal: AbortSignal): Pack {
  const pack = tarPack();
  void (async () => {
    try {
      for (const member of members) await add(pack, member, signal);
      pack.finalize();
    } catch (error) {
      pack.destroy(error as Error);
    }
  })();
  return pack;
}

async function add(pack: Pack, member: TarMember, signal: AbortSignal): Promise<void> {
  const header = {
    name: member.name,
    size: member.bytes,
    mode: 0o644,
    uid: 0,
    gid: 0,
    uname: 'root',
    gname: 'root',
    mtime: MTIME,
  };
  const entry = pack.entry(header);
  if (member.kind === 'text') entry.end(member.text);
  else await pipeline(createReadStream(member.path, { highWaterMark: 1024 * 1024 }), entry, { signal });
}

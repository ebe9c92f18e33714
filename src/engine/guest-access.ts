import type { GuestAccess } from '../core/index.ts';
import type { Guest } from './guest.ts';

/** What custom actions see of a guest. */
export function guestAccess(guest: Guest, signal: AbortSignal): GuestAccess {
  return {
    run: async (script, options = {}) => (await guest.run(script, { ...options, signal })).stdout,
    upload: (localPath, remotePath) => guest.upload(localPath, remotePath, { signal }),
    download: (remotePath, localPath) => guest.download(remotePath, localPath, { signal }),
  };
}

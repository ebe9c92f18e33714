import type { Context } from '../../core/index.ts';
import { acquireFileLock } from '../../io/file-lock.ts';
import { leasePath } from './claims.ts';
import { makeStore } from './layout.ts';

/** The right to make a layer. Disposing gives it up; so does the end of the build, or of its process. */
export interface Lease extends AsyncDisposable {
  readonly key: string;
}

/** Waits until no other build makes the layer with that key, then claims it. The wait is bounded by the context's signal. */
export async function leaseLayer(key: string, name: string, context: Context): Promise<Lease> {
  await makeStore(context.dirs.cache);
  const onWait = () => context.span.note(`waiting for another build that makes layer ${name}`);
  const release = await acquireFileLock(leasePath(context.dirs.cache, key), { ...context, onWait });
  let isHeld = true;
  const giveUp = async () => {
    if (!isHeld) return;
    await release();
    isHeld = false;
    takeBack();
  };
  const takeBack = context.scope.defer(`lease of layer ${name}`, giveUp);
  return { key, [Symbol.asyncDispose]: giveUp };
}

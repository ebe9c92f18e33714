import { systemCode } from '../core/index.ts';

/** What `work` found out about a file or a folder; undefined when that is not there. Throws what else went wrong. */
export async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

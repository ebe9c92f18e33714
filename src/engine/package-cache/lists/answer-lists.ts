import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorMessage, isKibError, MiB, maskUrls } from '../../../core/index.ts';
import { DecompressError } from './decompress.ts';
import { type ExcerptOptions, excerptOf } from './excerpt.ts';
import { NoExcerpt, parseQuestion } from './question.ts';

/** Where the program in the guest asks, below the token. */
export const LISTS_PATH = 'apt-lists';

/** Names of a thousand packages and the digests in a dozen Release files take less than one. */
const MAX_QUESTION_BYTES = 8 * MiB;

/**
 * Answers the question for an excerpt of package lists: for each list a line of `@` and its name and then its stanzas, in the end a line of `@` alone,
 * without which the answer is not whole. 409 with the reason where the guest had better read whole lists. Rejects when the question broke off.
 */
export async function answerLists(req: IncomingMessage, res: ServerResponse, options: ExcerptOptions): Promise<void> {
  const question = await readText(req);
  let body: Buffer;
  try {
    if (question === undefined) throw new NoExcerpt('the question is too long');
    const excerpts = await excerptOf(parseQuestion(question), options);
    body = Buffer.concat([...excerpts.flatMap(({ name, bytes }) => [Buffer.from(`@${name}\n`), bytes]), Buffer.from('@\n')]);
  } catch (error) {
    if (!(error instanceof NoExcerpt || error instanceof DecompressError || isKibError(error))) throw error;
    res.writeHead(409, { 'content-type': 'text/plain; charset=utf-8' });
    res.end(`${maskUrls(errorMessage(error))}\n`);
    return;
  }
  res.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length });
  res.end(body);
}

async function readText(req: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_QUESTION_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

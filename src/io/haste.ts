import { KibError, maskUrl, withDeadline } from '../core/index.ts';
import type { HttpClient, HttpDeadlines, RequestOptions } from './http.ts';

/** Deadlines for one who has an earlier answer at hand: nobody is kept waiting for a network that is gone. */
export const HASTE: Partial<HttpDeadlines> = { connectMs: 5000, answerMs: 6000 };
const WHOLE_MS = 8000;
/** Once more, for a connection that just broke. */
const ATTEMPTS = 2;

/** Runs `work`, which reads a small text from `url`, for a few seconds at most. Throws KIB_HTTP when they are over. */
export function withinHaste<T>(
  url: string,
  { clock }: Pick<HttpClient, 'clock'>,
  outer: AbortSignal,
  work: (options: RequestOptions) => Promise<T>,
): Promise<T> {
  const onTimeout = () => {
    const hint = 'check the network, and http_proxy, https_proxy and no_proxy if there is a proxy';
    return new KibError('KIB_HTTP', `GET ${maskUrl(url)} took longer than ${WHOLE_MS / 1000} s`, { retryable: true, hint });
  };
  const deadline = { ms: WHOLE_MS, clock, signal: outer, onTimeout };
  return withDeadline(deadline, (signal) => work({ signal, attempts: ATTEMPTS }));
}

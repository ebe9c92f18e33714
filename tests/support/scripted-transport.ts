import type { Transport } from '../../src/core/index.ts';
import { markerPrefix } from '../../src/engine/markers.ts';

export interface ScriptAnswer {
  readonly stdout: string;
  readonly exitCode: number;
}

/** A connection to a guest that runs nothing: every one-step script ends as `answer` says. */
export function scriptedTransport(answer: (script: string) => ScriptAnswer): Transport & { readonly isDisposed: () => boolean } {
  let isDisposed = false;
  return {
    isDisposed: () => isDisposed,
    closed: new Promise(() => {}),
    async exec(_command, { stdin = '', onStdout }) {
      const nonce = /kib:%s:%s\\n' ([0-9a-f]+)/.exec(stdin)?.[1] ?? '';
      const { stdout, exitCode } = answer(stdin);
      const mark = (words: string) => `${markerPrefix(nonce)}${words}\n`;
      onStdout?.(
        Buffer.from(
          `${mark('begin 42')}${mark('start 0 1')}${stdout}${mark('stderr 0')}${mark(`end 0 ${exitCode} 5`)}${mark('done')}`,
          'latin1',
        ),
      );
      return { exitCode: 0, signal: undefined };
    },
    upload: () => Promise.reject(new Error('not for this test')),
    download: () => Promise.reject(new Error('not for this test')),
    async [Symbol.asyncDispose]() {
      isDisposed = true;
    },
  };
}

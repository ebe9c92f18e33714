import type { BuildEvent } from '../core/index.ts';
import type { Output, Ui } from './ui.ts';

/** The events themselves, one JSON text per line. */
export class NdjsonUi implements Ui {
  readonly #stdout: Output;
  readonly #stderr: Output;

  constructor({ stdout, stderr }: { readonly stdout: Output; readonly stderr: Output }) {
    this.#stdout = stdout;
    this.#stderr = stderr;
  }

  add(): void {}

  read(event: BuildEvent): void {
    this.#stdout.write(`${JSON.stringify(event)}\n`);
  }

  say(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  suspend(): () => void {
    return () => {};
  }

  close(): void {}
}

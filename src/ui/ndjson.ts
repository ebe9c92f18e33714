import type { BuildEvent } from '../core/index.ts';
import type { Output, Ui } from './ui.ts';

/** The events themselves, one JSON text per line. */
export class NdjsonUi implements Ui {
  readonly #stdout: Output;

  constructor(stdout: Output) {
    this.#stdout = stdout;
  }

  read(event: BuildEvent): void {
    this.#stdout.write(`${JSON.stringify(event)}\n`);
  }

  suspend(): () => void {
    return () => {};
  }

  close(): void {}
}

import { expect, onTestFinished } from 'vitest';
import type { Span } from '../../src/core/index.ts';
import { EventStream } from '../../src/engine/events.ts';
import { createUi, type Ui, type UiOptions } from '../../src/ui/index.ts';
import { FakeClock } from './fake-clock.ts';
import { Screen } from './screen.ts';
import { BUILD_ID } from './scripted-build.ts';

/** The reader of build events on a screen as wide as it says; closed when the test ends. */
export function terminalUi(screen: Screen, clock: FakeClock, options: Partial<UiOptions> = {}): Ui {
  const ui = createUi({
    mode: 'tty',
    stdout: { write: () => expect.unreachable('people are talked to on stderr') },
    stderr: screen,
    verbose: false,
    columns: () => screen.columns,
    colour: false,
    clock,
    ...options,
  });
  onTestFinished(() => ui.close());
  return ui;
}

/** A build that does what the test says, told on a terminal. */
export interface Stage {
  readonly clock: FakeClock;
  readonly screen: Screen;
  /** Of the build. */
  readonly root: Span;
  readonly ui: Ui;
}

/** A stage for one test. */
export function stage(options: { readonly columns?: number; readonly verbose?: boolean } = {}): Stage {
  const clock = new FakeClock();
  const screen = new Screen(options.columns);
  const events = new EventStream(BUILD_ID, clock);
  const ui = terminalUi(screen, clock, { verbose: options.verbose ?? false });
  events.subscribe((event) => ui.read(event));
  return { clock, screen, root: events.root, ui };
}

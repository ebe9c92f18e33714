import { describe, expect, it } from 'vitest';
import { KibError } from '../../../src/core/index.ts';
import { EventStream } from '../../../src/engine/events.ts';
import { createUi, type Ui } from '../../../src/ui/index.ts';
import { width } from '../../../src/ui/text.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Screen } from '../../support/screen.ts';
import { terminalUi } from '../../support/terminal-stage.ts';

interface Stage {
  readonly clock: FakeClock;
  readonly screen: Screen;
  readonly ui: Ui;
  /** Begins the build of a title, in which one thing is done until `end` is called. */
  readonly begin: (title: string) => { readonly events: EventStream; end(error?: KibError): Promise<void> };
}

function stage(
  titles: readonly string[],
  size: { columns?: number; rows?: number; colour?: boolean; verbose?: boolean } = {},
): Stage {
  const clock = new FakeClock();
  const screen = new Screen(size.columns ?? 80);
  const ui = terminalUi(screen, clock, {
    verbose: size.verbose ?? false,
    columns: () => size.columns ?? 80,
    rows: () => size.rows ?? 24,
    colour: size.colour ?? false,
    titles,
  });
  return {
    clock,
    screen,
    ui,
    begin(title) {
      const events = new EventStream(`id-of-${title}`, clock);
      ui.add(`id-of-${title}`, title);
      events.subscribe((event) => ui.read(event));
      events.root.emit({ type: 'span.start', kind: 'build', name: title });
      let finish: () => void = () => {};
      const running = events.root.run('boot', `boot ${title}`, () => new Promise<void>((resolve) => (finish = resolve)));
      return {
        events,
        async end(error) {
          finish();
          await running;
          const failure = error === undefined ? {} : { error: { code: error.code, message: error.message } };
          const status = error === undefined ? 'ok' : error.class === 'cancelled' ? 'cancelled' : 'failed';
          events.root.emit({ type: 'span.end', status, ms: 1000, ...failure });
        },
      };
    },
  };
}

describe('builds on one terminal', () => {
  it('have a block each, and a line when they have ended', async () => {
    const { clock, screen, begin } = stage(['one', 'second']);
    const one = begin('one');
    await clock.advance(2000);
    const second = begin('second');
    await clock.advance(1000);
    expect(screen.text).toBe('one     3 s\n    boot one  3 s\nsecond  1 s\n    boot second  1 s');
    await one.end();
    await second.end(new KibError('KIB_QEMU_EXITED', 'QEMU ended\nwith more to say'));
    await clock.advance(100);
    expect(screen.text).toBe('one     ✓ 1.0 s\nsecond  ✗ 1.0 s  KIB_QEMU_EXITED QEMU ended');
  });

  it('tell what stays under their names, and every log line when verbose', async () => {
    const { clock, screen, begin } = stage(['one', 'second'], { verbose: true });
    const { root } = begin('one').events;
    begin('second').events.root.warn('KIB_X', 'careful\nindeed', 'type this');
    root.log('guest', 'a line');
    await clock.advance(100);
    expect(screen.text.split('\n').slice(0, 4)).toEqual([
      'second  ! careful',
      'second    indeed',
      'second    type this',
      'one     │ a line',
    ]);
  });

  it('that were interrupted say just that', async () => {
    const { clock, screen, begin } = stage(['one', 'two']);
    await begin('one').end(new KibError('KIB_CANCELLED', 'interrupted by SIGINT'));
    await clock.advance(100);
    expect(screen.text).toBe('one  ✗ 1.0 s  (cancelled)\n… waiting: two');
  });

  it('get fewer lines on a low terminal, and the last ones none', async () => {
    const titles = ['a', 'b', 'c', 'd', 'e', 'f'];
    const size = { rows: 24 };
    const { clock, screen, begin } = stage(titles, size);
    for (const title of titles.slice(0, 5)) begin(title);
    await clock.advance(1000);
    expect(screen.text.split('\n')).toHaveLength(11);
    size.rows = 9;
    await clock.advance(1000);
    expect(screen.text).toBe([...titles.slice(0, 5).map((title) => `${title}  boot ${title}  2 s`), '… waiting: f'].join('\n'));
    size.rows = 6;
    await clock.advance(1000);
    expect(screen.text).toBe('a  boot a  3 s\nb  boot b  3 s\n… and 3 more\n… waiting: f');
  });

  it('fit the window as it is now', async () => {
    const titles = ['a-rather-long-name', '安装容器运行时安装容器运行时'];
    const size = { columns: 80 };
    const { clock, screen, begin } = stage(titles, size);
    for (const title of titles) begin(title).events.root.emit({ type: 'plan', layers: [], actions: 10, checks: 0 });
    await clock.advance(1000);
    expect(screen.text).toContain('a-rather-long-name            ────────────────────  1 s\n    boot a-rather-long-name  1 s\n');
    for (const columns of [60, 33, 20]) {
      size.columns = columns;
      await clock.advance(1000);
      const rows = screen.text.split('\n').slice(-4);
      for (const row of rows) expect(width(row), row).toBeLessThan(columns);
    }
  });

  it('show how much of the plan is done', async () => {
    const { clock, screen, begin } = stage(['one', 'two']);
    const { root } = begin('one').events;
    root.emit({ type: 'plan', layers: ['x'], actions: 4, checks: 0 });
    await root.run('layer', 'x', (layer) => layer.run('action', 'first', async () => {}));
    await clock.advance(100);
    expect(screen.text.split('\n')[0]).toBe('one  ━━━━━───────────────  0 s');
    for (let n = 0; n < 9; n++) await root.run('layer', 'x', (layer) => layer.run('action', 'again', async () => {}));
    await clock.advance(100);
    expect(screen.text.split('\n')[0]).toBe('one  ━━━━━━━━━━━━━━━━━━━━  0 s');
  });

  it('have colours of their own, when colours are wanted', () => {
    const clock = new FakeClock();
    let text = '';
    const stderr = { write: (more: string) => (text += more) };
    const titles = ['one', 'two'];
    const ui = createUi({ mode: 'tty', stdout: stderr, stderr, verbose: false, colour: true, clock, titles });
    for (const title of titles) {
      const events = new EventStream(title, clock);
      ui.add(title, title);
      events.subscribe((event) => ui.read(event));
      events.root.warn('KIB_X', 'careful');
    }
    ui.close();
    expect(text).toContain('\u001b[36mone\u001b[39m  \u001b[33m!\u001b[39m careful');
    expect(text).toContain('\u001b[35mtwo\u001b[39m  \u001b[33m!\u001b[39m careful');
  });
});

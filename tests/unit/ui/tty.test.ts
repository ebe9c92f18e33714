import { describe, expect, it, onTestFinished } from 'vitest';
import { type BuildEvent, KibError, MiB, type Span } from '../../../src/core/index.ts';
import { EventStream } from '../../../src/engine/events.ts';
import { createUi, type Ui } from '../../../src/ui/index.ts';
import { width } from '../../../src/ui/text.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { Screen } from '../../support/screen.ts';
import { BUILD_ID, scriptedBuild } from '../../support/scripted-build.ts';

interface Stage {
  readonly clock: FakeClock;
  readonly screen: Screen;
  readonly events: EventStream;
  readonly root: Span;
  readonly ui: Ui;
}

function stage(options: { columns?: number; verbose?: boolean; colour?: boolean } = {}): Stage {
  const clock = new FakeClock();
  const screen = new Screen(options.columns);
  const events = new EventStream(BUILD_ID, clock);
  const ui = createUi({
    mode: 'tty',
    stdout: { write: () => expect.unreachable('people are talked to on stderr') },
    stderr: screen,
    verbose: options.verbose ?? false,
    columns: () => screen.columns,
    colour: options.colour ?? false,
    clock,
  });
  onTestFinished(() => ui.close());
  events.subscribe((event) => ui.read(event));
  return { clock, screen, events, root: events.root, ui };
}

/** A span that is open until `end` is called. */
function open(
  parent: Span,
  kind: Parameters<Span['run']>[0],
  name: string,
): { span: Span; end: (error?: Error) => Promise<void> } {
  const { promise, resolve, reject } = deferred();
  const state: { span?: Span } = {};
  const running = Promise.allSettled([
    parent.run(kind, name, (span) => {
      state.span = span;
      return promise;
    }),
  ]);
  if (state.span === undefined) throw new Error('the span did not start');
  return {
    span: state.span,
    end: async (error) => {
      if (error === undefined) resolve();
      else reject(error);
      await running;
    },
  };
}

function deferred() {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('live lines', () => {
  it('number actions against the plan and show the last three log lines', async () => {
    const { clock, screen, root } = stage();
    root.emit({ type: 'plan', layers: ['kubernetes'], actions: 31, checks: 0 });
    const layer = open(root, 'layer', 'kubernetes');
    await open(layer.span, 'action', 'fetch the key').end();
    const action = open(layer.span, 'action', 'install kubelet');
    for (const line of ['one', 'two', 'three', 'four']) action.span.log('guest', line);
    await clock.advance(12_000);
    expect(screen.text).toBe('  [2/31] kubernetes · install kubelet  12 s\n    two\n    three\n    four');
    await action.end();
    await clock.advance(100);
    expect(screen.text).toBe('  kubernetes  12 s');
    await layer.end();
    await clock.advance(100);
    expect(screen.text).toBe('✓ kubernetes                                  12.1 s');
  });

  it('tell bytes, rate and time left of a transfer', async () => {
    const { clock, screen, root } = stage();
    const fetch = open(root, 'fetch', 'download base');
    fetch.span.progress(0, 100 * MiB, 'bytes');
    await clock.advance(2000);
    fetch.span.progress(20 * MiB, 100 * MiB, 'bytes');
    await clock.advance(100);
    expect(screen.text).toMatch(/^ {2}download base {2}20\.0 MiB of 100\.0 MiB · 9\.5 MiB\/s · 8 s left · 2 s$/);
  });

  it('say no time left when nothing moves', async () => {
    const { clock, screen, root } = stage();
    const fetch = open(root, 'fetch', 'download base');
    fetch.span.progress(5 * MiB, 100 * MiB, 'bytes');
    await clock.advance(5000);
    expect(screen.text).toBe('  download base  5.0 MiB of 100.0 MiB · 0 B/s · 5 s');
  });

  it('show the note of what is being waited for', async () => {
    const { clock, screen, root } = stage();
    open(root, 'boot', 'wait for the guest').span.note('cloud-init');
    await clock.advance(1000);
    expect(screen.text).toBe('  wait for the guest  cloud-init · 1 s');
  });

  it('stand side by side for parallel spans', async () => {
    const { clock, screen, root } = stage();
    const spans = ['qcow2', 'ova'].map((format) => open(root, 'export', format));
    spans[1]?.span.progress(42.4, 100, 'percent');
    await clock.advance(1000);
    expect(screen.text).toBe('  export qcow2  1 s\n  export ova  42 % · 1 s');
    await spans[0]?.end();
    await clock.advance(100);
    expect(screen.text).toBe('✓ export qcow2                                 1.0 s\n  export ova  42 % · 1 s');
  });

  it('are limited to what fits on a small terminal', async () => {
    const { clock, screen, root } = stage();
    for (let n = 1; n <= 11; n++) open(root, 'fetch', `download ${n}`);
    await clock.advance(100);
    expect(screen.text.split('\n')).toHaveLength(9);
    expect(screen.text).toContain('… and 3 more');
  });

  it('are cut to the width, wide characters counting twice', async () => {
    for (const columns of [20, 33, 40]) {
      const { clock, screen, root } = stage({ columns });
      const action = open(root, 'action', '安装容器运行时与节点组件 🎉 and more of it');
      action.span.log('guest', '表'.repeat(60));
      await clock.advance(1000);
      const rows = screen.text.split('\n');
      expect(rows).toHaveLength(2);
      for (const row of rows) expect(width(row)).toBeLessThan(columns);
      expect(rows[0]).toMatch(/ {2}1 s$/);
    }
  });
});

describe('what stays', () => {
  it('warnings, failed actions, failed checks and leaks, in order', async () => {
    const { clock, screen, root } = stage();
    const layer = open(root, 'layer', 'cni');
    layer.span.warn('KIB_X', 'the first line\nthe second', 'type this');
    await open(layer.span, 'action', 'unpack').end(new KibError('KIB_ACTION_FAILED', 'exit 2'));
    await layer.end(new KibError('KIB_ACTION_FAILED', 'exit 2'));
    root.emit({ type: 'check', result: { name: 'a', title: 'it runs', ok: false, detail: 'wanted a\ngot b', ms: 1 } });
    root.emit({ type: 'check', result: { name: 'b', title: 'it is there', ok: true, detail: '', ms: 1 } });
    root.emit({ type: 'resource', action: 'leaked', kind: 'scope', id: 'folder /x' });
    await clock.advance(100);
    expect(screen.text.split('\n').map((line) => line.replace(/ +\d+ ms$/, ''))).toEqual([
      '! the first line',
      '  the second',
      '  type this',
      '✗ [1] cni · unpack',
      '✗ cni',
      '✗ it runs: wanted a got b',
      '! could not be cleaned up: folder /x',
      '  kib-native gc',
    ]);
  });

  it('why a layer is made, when it differs from a cached one', async () => {
    const { clock, screen, root } = stage();
    root.emit({ type: 'cache.miss', layer: 'packages', reason: 'nothing like it is in the cache', diff: [] });
    const diff = Array.from({ length: 12 }, (_, index) => `+ line ${index}`);
    root.emit({ type: 'cache.miss', layer: 'node', reason: 'node/3 differs', diff });
    await clock.advance(100);
    expect(screen.text.split('\n')).toEqual([
      'layer node is made anew: node/3 differs',
      ...diff.slice(0, 10).map((line) => `  ${line}`),
      '  … and 2 more lines',
    ]);
  });

  it('cached, skipped and interrupted phases say so', async () => {
    const { clock, screen, root } = stage();
    await root.run('layer', 'packages', async (span) => span.mark('cached'));
    await root.run('verify', 'boot', async (span) => span.mark('skipped'));
    await open(root, 'export', 'ova').end(new KibError('KIB_CANCELLED', 'interrupted'));
    await clock.advance(100);
    expect(screen.text.split('\n').map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      '✓ packages 0 ms (cached)',
      '- boot 0 ms (skipped)',
      '✗ export ova 0 ms (cancelled)',
    ]);
  });

  it('every log line when verbose', async () => {
    const { clock, screen, root } = stage({ verbose: true });
    const action = open(root, 'action', 'install');
    action.span.log('guest', 'one');
    action.span.log('guest', 'two');
    await clock.advance(100);
    expect(screen.text).toBe('  │ one\n  │ two\n  [1] install  0 s');
  });

  it('a whole build ends with its phases alone', async () => {
    const clock = new FakeClock();
    const screen = new Screen();
    const build = scriptedBuild(clock);
    const ui = createUi({ mode: 'tty', stdout: screen, stderr: screen, verbose: false, colour: true, clock });
    build.events.subscribe((event) => ui.read(event));
    await clock.run(build.play());
    ui.close();
    const marks = screen.text.split('\n').map((line) => line.slice(0, 26).trimEnd());
    expect(marks).toEqual([
      '✓ download debian-13.qcow2',
      '! /dev/kvm cannot run a gu',
      '  everything takes about e',
      '✓ start qemu',
      '✓ wait for the guest',
      '✓ packages',
      '✓ kubernetes',
      '✓ check the guest',
      '✓ seal and power off',
      '✓ export qcow2',
      '✓ export ova',
      '- check the booted image',
      '✓ clean up',
    ]);
  });
});

describe('the terminal', () => {
  it('never sees a control sequence of the guest', async () => {
    const { clock, screen, root } = stage();
    const evil = '\u001b]0;title\u0007\u001b[2J\u001b[31mred\u001b[0m\u009b1A\u0008\u0000\u202eabc\u200b\u001bP+q\u001b\\';
    const action = open(root, 'action', `name ${evil}`);
    action.span.log('guest', evil);
    action.span.log('guest', 'progress 1 %\rprogress 50 %\rprogress 99 %\r');
    action.span.note(evil);
    root.warn('KIB_X', evil, evil);
    root.emit({ type: 'check', result: { name: 'a', title: evil, ok: false, detail: evil, ms: 1 } });
    // The screen throws at any control character that is not the reader's own.
    await clock.advance(100);
    expect(screen.text).toContain('    progress 99 %');
    expect(screen.text).not.toContain('title');
    expect(screen.text).not.toContain('\u202e');
  });

  it('is written to ten times a second at most, and not at all when nothing changes', async () => {
    const { clock, screen, root } = stage();
    const action = open(root, 'action', 'install');
    for (let n = 0; n < 1000; n++) {
      action.span.log('guest', `line ${n}`);
      root.warn('KIB_X', `warning ${n}`);
      await clock.advance(1);
    }
    expect(screen.writes).toBeLessThanOrEqual(10);
    await clock.advance(100);
    const before = screen.writes;
    await clock.advance(2000);
    // Two redraws, for the two seconds that passed.
    expect(screen.writes - before).toBe(2);
  });

  it('has its cursor hidden while lines live and restored on close, once', async () => {
    const { clock, screen, root, ui } = stage();
    await clock.advance(200);
    expect(screen.writes).toBe(0);
    open(root, 'boot', 'wait');
    await clock.advance(100);
    expect(screen.isCursorVisible).toBe(false);
    root.warn('KIB_X', 'last words');
    ui.close();
    expect(screen.isCursorVisible).toBe(true);
    expect(screen.text).toBe('! last words');
    const { writes } = screen;
    ui.close();
    await clock.advance(1000);
    expect(screen.writes).toBe(writes);
    expect(clock.sleeping).toBe(0);
  });

  it('is left alone while suspended', async () => {
    const { clock, screen, root, ui } = stage();
    open(root, 'boot', 'wait');
    await clock.advance(100);
    root.warn('KIB_SHELL', 'opening a shell');
    const resume = ui.suspend();
    expect(screen.text).toBe('! opening a shell');
    expect(screen.isCursorVisible).toBe(true);
    root.warn('KIB_X', 'meanwhile');
    await clock.advance(5000);
    expect(screen.text).toBe('! opening a shell');
    resume();
    resume();
    await clock.advance(100);
    expect(screen.text).toBe('! opening a shell\n! meanwhile\n  wait  5 s');
  });

  it('takes words of the caller among its lines, even after the end', async () => {
    const { clock, screen, root, ui } = stage();
    open(root, 'boot', 'wait');
    await clock.advance(100);
    ui.say('SIGINT: cleaning up');
    await clock.advance(100);
    expect(screen.text).toBe('SIGINT: cleaning up\n  wait  0 s');
    ui.close();
    ui.say('bye');
    expect(screen.text).toBe('SIGINT: cleaning up\nbye');
  });

  it('gets no colour unless asked', async () => {
    const texts: string[] = [];
    for (const colour of [false, true]) {
      const clock = new FakeClock();
      let text = '';
      const stderr = { write: (more: string) => (text += more) };
      const ui = createUi({ mode: 'tty', stdout: stderr, stderr, verbose: false, colour, clock });
      const event = { v: 1, seq: 1, time: new Date(clock.now()).toISOString(), build: 'b', span: 1 } as const;
      ui.read({ ...event, type: 'warning', code: 'KIB_X', message: 'careful' } satisfies BuildEvent);
      ui.close();
      texts.push(text);
    }
    expect(texts[0]).toContain('! careful');
    expect(texts[1]).toContain('\u001b[33m!\u001b[39m careful');
  });
});

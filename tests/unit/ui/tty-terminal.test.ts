import { describe, expect, it } from 'vitest';
import type { BuildEvent } from '../../../src/core/index.ts';
import { createUi } from '../../../src/ui/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { openSpan } from '../../support/open-span.ts';
import { stage } from '../../support/terminal-stage.ts';

describe('the terminal', () => {
  it('never sees a control sequence of the guest', async () => {
    const { clock, screen, root } = stage();
    const evil = '\u001b]0;title\u0007\u001b[2J\u001b[31mred\u001b[0m\u009b1A\u0008\u0000\u202eabc\u200b\u001bP+q\u001b\\';
    const action = openSpan(root, 'action', `name ${evil}`);
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
    const action = openSpan(root, 'action', 'install');
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
    openSpan(root, 'boot', 'wait');
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
    openSpan(root, 'boot', 'wait');
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
    openSpan(root, 'boot', 'wait');
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

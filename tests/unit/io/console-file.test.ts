import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { array, assert, nat, property } from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileConsole } from '../../../src/io/console-file.ts';
import { ConsoleText } from '../../../src/io/console-text.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ESC = '\u001B';

describe('console text', () => {
  const lines = (...chunks: readonly string[]): readonly string[] => {
    const text = new ConsoleText();
    return [...chunks.flatMap((chunk) => text.push(Buffer.from(chunk))), ...text.end()];
  };

  it('takes colours away and every way to end a line as one', () => {
    expect(
      lines(
        `${ESC}[!p${ESC}]0;title${String.fromCharCode(7)}[${ESC}[0;32m  OK  ${ESC}[0m] Started ${ESC}[0;1;39mssh.service${ESC}[0m.\r\r\nnext\rthen\n`,
      ),
    ).toEqual(['[  OK  ] Started ssh.service.', 'next', 'then']);
  });

  it('begins a line where firmware moves the cursor', () => {
    expect(lines(`${ESC}[2J${ESC}[01;01H${ESC}[=3h${ESC}[2J${ESC}[02;01HBdsDxe: failed${ESC}[03;01HBdsDxe: next`)).toEqual([
      'BdsDxe: failed',
      'BdsDxe: next',
    ]);
  });

  it('gives the same lines however the bytes are cut', () => {
    const whole = `${ESC}[32mgrün${ESC}[0m\r\nzwei\n${ESC}[03;01Hdrei\nlogin: `;
    const bytes = Buffer.from(whole);
    assert(
      property(array(nat(bytes.length), { maxLength: 8 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const text = new ConsoleText();
        const seen = edges.slice(1).flatMap((end, index) => text.push(bytes.subarray(edges[index], end)));
        expect([...seen, ...text.end()]).toEqual(['grün', 'zwei', 'drei', 'login:']);
      }),
    );
  });

  it('knows a prompt from a line that is still being written', () => {
    const text = new ConsoleText();
    text.push(Buffer.from('[    1.234] Run /init as'));
    expect(text.prompt()).toEqual([]);
    expect(text.push(Buffer.from(' init process\ndebian login: '))).toEqual(['[    1.234] Run /init as init process']);
    expect(text.prompt()).toEqual(['debian login:']);
    expect(text.prompt()).toEqual([]);
  });
});

describe('console files', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'kib-console-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('follows both from their first byte to the end of the machine', async () => {
    const [path, firmware] = [join(dir, 'console.log'), join(dir, 'firmware.log')];
    writeFileSync(firmware, 'SeaBIOS\n');
    const clock = new FakeClock();
    const state = { ended: false };
    const reader = new FileConsole(path, firmware, clock, () => state.ended);
    const seen: string[] = [];
    const reading = (async () => {
      for await (const line of reader.lines(new AbortController().signal)) {
        seen.push(line);
        if (line === 'login:') {
          appendFileSync(path, '\nbye');
          state.ended = true;
        }
        if (line === 'SeaBIOS') writeFileSync(path, 'kernel\nlogin: ');
      }
    })();
    await clock.run(reading);
    expect(seen).toEqual(['SeaBIOS', 'kernel', 'login:', 'bye']);
  });

  it('ends with the signal', async () => {
    const abort = new AbortController();
    const clock = new FakeClock();
    const reader = new FileConsole(join(dir, 'absent.log'), undefined, clock, () => false);
    const reading = (async () => {
      const seen: string[] = [];
      for await (const line of reader.lines(abort.signal)) seen.push(line);
      return seen;
    })();
    await clock.advance(500);
    abort.abort();
    expect(await reading).toEqual([]);
    expect(clock.sleeping).toBe(0);
  });

  it('shows the last lines, the firmware’s when the console has too few', async () => {
    const [path, firmware] = [join(dir, 'console.log'), join(dir, 'firmware.log')];
    const reader = new FileConsole(path, firmware, new FakeClock(), () => false);
    expect(await reader.tail(3)).toEqual([]);
    writeFileSync(firmware, 'a\nb\nc\n');
    writeFileSync(path, 'd\ne');
    expect(await reader.tail(3)).toEqual(['c', 'd', 'e']);
    writeFileSync(path, `${'x'.repeat(100_000)}\nlast\n`);
    expect(await reader.tail(1)).toEqual(['last']);
  });
});

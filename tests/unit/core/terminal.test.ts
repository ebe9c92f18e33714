import { expect, it } from 'vitest';
import { stripSequences } from '../../../src/core/index.ts';

it.each([
  ['colours', '\u001b[1;31mred\u001b[0m', 'red'],
  ['8-bit CSI', '\u009b31mred', 'red'],
  ['cursor moves', 'a\u001b[2;5Hb\u001b[K', 'ab'],
  ['private modes', '\u001b[?25l\u001b[=3ha', 'a'],
  ['a soft reset', '\u001b[!pa', 'a'],
  ['cursor styles', '\u001b[0 qa', 'a'],
  ['a window title', '\u001b]0;evil\u0007a', 'a'],
  ['a title that ends in ST', '\u001b]2;evil\u001b\\a', 'a'],
  ['a device control string', '\u001bP+q544e\u001b\\a', 'a'],
  ['an unfinished string', 'a\u001b]0;evil', 'a'],
  ['a hyperlink', '\u001b]8;;https://example.org\u001b\\link\u001b]8;;\u001b\\', 'link'],
  ['character sets', '\u001b(B\u001b)0a', 'a'],
  ['keypad modes, save and reset', '\u001b=\u001b>\u001b7\u001b8\u001bca', 'a'],
  ['nothing of plain text', 'a [0m] b\tc', 'a [0m] b\tc'],
])('%s', (_, text, plain) => {
  expect(stripSequences(text)).toBe(plain);
});

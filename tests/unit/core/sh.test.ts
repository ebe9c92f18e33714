import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lines, quote, raw, Secret, Sh, sh } from '../../../src/core/index.ts';

/** Standard output of a script run by the real sh. */
function output(script: Sh): string {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-eu', '-s'], { input: script.text });
  expect(stderr.toString()).toBe('');
  expect(status).toBe(0);
  return stdout.toString();
}

// Anything an argument can hold: no NUL, and no lone surrogates since those are not UTF-8.
const argument = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
  fc.string({
    unit: fc.constantFrom("'", '"', '\\', '$', '`', '\n', ' ', '!', '*', '~', '#', '-', '\r', '(', '&', ';', '|', '<', 'a'),
  }),
);

describe('quoting', () => {
  it('lets any string through the shell unchanged', () => {
    fc.assert(
      fc.property(argument, (text) => {
        expect(output(sh`printf %s ${text}`)).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  it('lets any list through as separate words', () => {
    fc.assert(
      fc.property(fc.array(argument, { minLength: 1 }), (words) => {
        expect(output(sh`printf '%s\0' ${words}`)).toBe(words.map((word) => `${word}\0`).join(''));
      }),
      { numRuns: 60 },
    );
  });

  it('works in assignments, after redirections and beside text', () => {
    fc.assert(
      fc.property(argument, (text) => {
        expect(output(sh`x=${text}; y=a${text}b; printf '%s|%s' "$x" "$y"`)).toBe(`${text}|a${text}b`);
      }),
      { numRuns: 30 },
    );
  });

  it('leaves plain words plain', () => {
    expect(sh`install -m ${'0644'} ${'/etc/a-b_c.conf'} ${'a=b,c:d@e%f+g'} ${5}`.text).toBe(
      'install -m 0644 /etc/a-b_c.conf a=b,c:d@e%f+g 5',
    );
    expect(quote('')).toBe("''");
    expect(quote("it's")).toBe(`'it'\\''s'`);
    expect(quote('word\n')).toBe("'word\n'");
    expect(quote('~')).toBe("'~'");
  });
});

describe('the tag', () => {
  it('removes common indentation, but not that of values', () => {
    const script = sh`
      if true; then
        printf %s ${'two\n      lines'}
      fi

      echo end
    `;
    expect(script.text).toBe("if true; then\n  printf %s 'two\n      lines'\nfi\n\necho end");
  });

  it('counts lines that begin with a value', () => {
    const name = raw('echo');
    expect(
      sh`
      ${name} a
        ${name} b
    `.text,
    ).toBe('echo a\n  echo b');
  });

  it('takes one line as it is', () => {
    expect(sh`echo ${1}`.text).toBe('echo 1');
    expect(sh``.text).toBe('');
    expect(sh`${'a b'}`.text).toBe("'a b'");
  });

  it('keeps backslashes and shell variables as written', () => {
    const script = sh`x='a b'; printf '%s\n%s\t\\\n' "\${x}" "$x" \`echo c\``;
    expect(script.text).toBe('x=\'a b\'; printf \'%s\\n%s\\t\\\\\\n\' "${x}" "$x" `echo c`');
    expect(output(sh`x=1; printf '<%s>\n' "\${x:-none}"`)).toBe('<1>\n');
  });

  it('puts scripts into scripts', () => {
    const inner = sh`echo ${"it's"}`;
    expect(output(sh`if true; then ${inner}; fi`)).toBe("it's\n");
    expect(sh`run ${[inner, 'a b', 3]}`.text).toBe(`run echo 'it'\\''s' 'a b' 3`);
    expect(sh`run ${[]} end`.text).toBe('run  end');
  });

  it('joins scripts by lines', () => {
    const script = lines([sh`echo ${'a b'}`, raw('echo $((1+1))')]);
    expect(output(script)).toBe('a b\n2\n');
  });
});

describe('secrets', () => {
  const secret = new Secret('token', `p'w $x`);

  it('reach the shell and are masked everywhere else', () => {
    const script = sh`printf %s ${secret}`;
    expect(output(script)).toBe(`p'w $x`);
    expect(script.masked).toBe('printf %s ***');
    expect(String(script)).toBe('printf %s ***');
    expect(JSON.stringify({ script })).toBe('{"script":"printf %s ***"}');
    expect(script.secrets).toEqual([secret]);
  });

  it('stay masked in nested scripts, lists and lines', () => {
    const inner = sh`login ${secret}`;
    const outer = lines([sh`a; ${inner}`, sh`b ${[inner]}`]);
    expect(outer.masked).toBe('a; login ***\nb login ***');
    expect(outer.secrets).toEqual([secret, secret]);
    expect(outer).toBeInstanceOf(Sh);
  });
});

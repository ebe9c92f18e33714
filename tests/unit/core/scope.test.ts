import { describe, expect, it } from 'vitest';
import { KibError, releasing, Scope, withScope } from '../../../src/core/index.ts';

describe('Scope', () => {
  it('releases last in, first out, one after the other', async () => {
    const log: string[] = [];
    const scope = new Scope((name) => log.push(`${name} released`));
    for (const name of ['a', 'b', 'c']) {
      scope.defer(name, async () => {
        log.push(name);
        await Promise.resolve();
      });
    }
    expect(scope.held).toEqual(['c', 'b', 'a']);
    await scope[Symbol.asyncDispose]();
    expect(log).toEqual(['c', 'c released', 'b', 'b released', 'a', 'a released']);
    expect(scope.held).toEqual([]);
  });

  it('lets no failure stop the others and throws them all', async () => {
    const released: string[] = [];
    const reports: [string, unknown][] = [];
    const scope = new Scope((name, error) => reports.push([name, error]));
    const busy = new Error('busy');
    scope.defer('first', () => void released.push('first'));
    scope.defer('disk', () => Promise.reject(busy));
    scope.defer('port', () => {
      throw new Error('in use');
    });
    scope.defer('last', () => void released.push('last'));
    const error = await scope[Symbol.asyncDispose]().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(released).toEqual(['last', 'first']);
    expect(error).toMatchObject({
      code: 'KIB_LEAKED',
      message: 'could not clean up port: in use; disk: busy',
      hint: 'kib-native gc',
    });
    expect((error as { cause: AggregateError }).cause.errors).toEqual([new Error('in use'), busy]);
    expect(reports.map(([name, failure]) => [name, failure !== undefined])).toEqual([
      ['last', false],
      ['port', true],
      ['disk', true],
      ['first', false],
    ]);
  });

  it('has the one failure as its cause', async () => {
    const busy = new Error('busy');
    const scope = new Scope();
    scope.defer('disk', () => Promise.reject(busy));
    await expect(scope[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'KIB_LEAKED', cause: busy });
  });

  it('still holds what is being released', async () => {
    const scope = new Scope();
    const seen: (readonly string[])[] = [];
    scope.defer('outer', () => void seen.push(scope.held));
    scope.defer('inner', () => void seen.push(scope.held));
    await scope[Symbol.asyncDispose]();
    expect(seen).toEqual([['inner', 'outer'], ['outer']]);
  });

  it('does nothing the second time', async () => {
    let count = 0;
    const scope = new Scope();
    scope.defer('a', () => void count++);
    await scope[Symbol.asyncDispose]();
    await scope[Symbol.asyncDispose]();
    expect(count).toBe(1);
  });

  it('owns nothing once closed', async () => {
    const scope = new Scope();
    await scope[Symbol.asyncDispose]();
    expect(() => scope.defer('late', () => {})).toThrow('late');
  });

  it('gives back what was handed on, also in the middle of releasing', async () => {
    const released: string[] = [];
    const scope = new Scope();
    const takeBack = scope.defer('a', () => void released.push('a'));
    scope.defer('b', () => {
      released.push('b');
      takeBack();
    });
    const takeOther = scope.defer('c', () => void released.push('c'));
    takeOther();
    takeOther();
    await scope[Symbol.asyncDispose]();
    expect(released).toEqual(['b']);
  });

  it('forgets everything when abandoned, and owns what comes after', async () => {
    const released: string[] = [];
    const scope = new Scope();
    scope.defer('machine', () => void released.push('machine'));
    scope.abandon();
    expect(scope.held).toEqual([]);
    scope.defer('later', () => void released.push('later'));
    await scope[Symbol.asyncDispose]();
    expect(released).toEqual(['later']);
  });

  it('disposes what it uses', async () => {
    let isDisposed = false;
    {
      await using scope = new Scope();
      const resource = scope.use('connection', {
        async [Symbol.asyncDispose]() {
          isDisposed = true;
        },
      });
      expect(resource).toBeDefined();
      expect(isDisposed).toBe(false);
    }
    expect(isDisposed).toBe(true);
  });
});

describe('withScope', () => {
  it('holds until the work has ended, also when that is only returned', async () => {
    const log: string[] = [];
    const value = await withScope((scope) => {
      scope.defer('machine', () => void log.push('released'));
      return Promise.resolve().then(() => log.push('worked'));
    });
    expect([value, log]).toEqual([1, ['worked', 'released']]);
  });

  it('releases after a failure and throws that on', async () => {
    const failure = new KibError('KIB_HTTP', 'down');
    const log: string[] = [];
    const work = withScope((scope) => {
      scope.defer('ok', () => void log.push('released'));
      scope.defer('stuck', () => Promise.reject(new Error('stuck')));
      return Promise.reject(failure);
    });
    await expect(work).rejects.toBe(failure);
    expect(log).toEqual(['released']);
    expect(failure.suppressed).toMatchObject([{ code: 'KIB_LEAKED' }]);
  });

  it('fails with the leak when the work did not', async () => {
    const work = releasing(
      () => Promise.reject(new KibError('KIB_LEAKED', 'left')),
      async () => 'value',
    );
    await expect(work).rejects.toMatchObject({ code: 'KIB_LEAKED' });
  });
});

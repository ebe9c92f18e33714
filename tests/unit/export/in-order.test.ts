import { describe, expect, it } from 'vitest';
import { inOrder } from '../../../src/export/in-order.ts';

const turns = async (count: number): Promise<void> => {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
};

describe('inOrder', () => {
  it('works on several at a time, and no more, and keeps the order', async () => {
    let now = 0;
    let most = 0;
    const results: number[] = [];
    const work = async (item: number): Promise<number> => {
      most = Math.max(most, ++now);
      await turns(1 + ((item * 7) % 5));
      now--;
      return item;
    };
    const items = Array.from({ length: 30 }, (_, index) => index);
    for await (const result of inOrder(items, 6, work)) results.push(result);
    expect(results).toEqual(items);
    expect(most).toBe(6);
  });

  it('takes no more items than results are asked for', async () => {
    let taken = 0;
    const endless = function* (): Generator<number> {
      for (;;) yield taken++;
    };
    for await (const result of inOrder(endless(), 3, (item) => Promise.resolve(item))) if (result === 5) break;
    expect(taken).toBe(5 + 3);
  });

  it('throws the first failure in order; later ones go unheard', async () => {
    const seen: number[] = [];
    const failing = async (): Promise<void> => {
      const work = async (item: number): Promise<number> => {
        await turns(10 - item);
        if (item >= 2) throw new Error(`item ${item}`);
        return item;
      };
      for await (const result of inOrder([0, 1, 2, 3, 4], 5, work)) seen.push(result);
    };
    await expect(failing()).rejects.toThrow('item 2');
    expect(seen).toEqual([0, 1]);
    await turns(20);
  });
});

/**
 * What differs between two texts, line by line: `-` for lines of the first alone, `+` for lines of the second alone, after the nearest
 * line above in the first that is not indented. Empty when they are equal.
 */
export function lineDiff(first: string, second: string): string {
  const [a, b] = [first.split('\n'), second.split('\n')];
  const common = longestCommon(a, b);
  const out: string[] = [];
  let heading = '';
  let shown = '';
  const write = (line: string) => {
    if (heading !== shown) out.push(heading);
    shown = heading;
    out.push(line);
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      if (/^\S/.test(left)) heading = left;
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && (common[i + 1]?.[j] ?? 0) >= (common[i]?.[j + 1] ?? 0))) {
      write(`- ${left}`);
      i++;
    } else {
      write(`+ ${right}`);
      j++;
    }
  }
  return out.map((line) => `${line.trimEnd()}\n`).join('');
}

/** Length of the longest common subsequence from each pair of positions on. */
function longestCommon(a: readonly string[], b: readonly string[]): readonly (readonly number[])[] {
  const table = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  for (let i = a.length - 1; i >= 0; i--) {
    const [row, below] = [table[i] ?? [], table[i + 1] ?? []];
    for (let j = b.length - 1; j >= 0; j--) {
      row[j] = a[i] === b[j] ? (below[j + 1] ?? 0) + 1 : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return table;
}

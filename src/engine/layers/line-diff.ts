/** Lines around a change that are shown too. */
const CONTEXT = 2;
/** Beyond that many pairs of lines to compare, what differs is shown as a whole. */
const MAX_PAIRS = 1_000_000;

/** What changed between two texts: `- ` before lines that went, `+ ` before those that came, two blanks before some that stayed. Empty when nothing did. */
export function lineDiff(before: readonly string[], after: readonly string[]): readonly string[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  while (end < before.length - start && end < after.length - start && before.at(-1 - end) === after.at(-1 - end)) end++;
  const middle = differing(before.slice(start, before.length - end), after.slice(start, after.length - end));
  const same = (line: string): string => `  ${line}`;
  return shortened([...before.slice(0, start).map(same), ...middle, ...before.slice(before.length - end).map(same)]);
}

/** The longest common subsequence by dynamic programming; texts here are scripts and files of some hundred lines. */
function differing(before: readonly string[], after: readonly string[]): readonly string[] {
  const width = after.length + 1;
  if (before.length * after.length > MAX_PAIRS)
    return [...before.map((line) => `- ${line}`), ...after.map((line) => `+ ${line}`)];
  const common = new Uint32Array((before.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: string[] = [];
  for (let i = 0, j = 0; i < before.length || j < after.length; ) {
    if (i < before.length && before[i] === after[j]) {
      lines.push(`  ${before[i]}`);
      i++;
      j++;
    } else if (i < before.length && (j === after.length || at(i + 1, j) >= at(i, j + 1))) lines.push(`- ${before[i++]}`);
    else lines.push(`+ ${after[j++]}`);
  }
  return lines;
}

function shortened(lines: readonly string[]): readonly string[] {
  const isNear = lines.map((_, index) =>
    lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some((line) => !line.startsWith('  ')),
  );
  return lines.flatMap((line, index) => {
    if (isNear[index] === true) return [line];
    return index > 0 && isNear[index - 1] === true && isNear.includes(true, index) ? ['  …'] : [];
  });
}

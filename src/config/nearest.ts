/** The known name that `name` was probably meant to be, or undefined when none is near. Case and `_` for `-` cost nothing. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = fold(name);
  const best = known
    .map((candidate) => ({ candidate, distance: editDistance(wanted, fold(candidate)) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (best !== undefined && best.distance <= Math.max(1, Math.floor(wanted.length / 3))) return best.candidate;
  // `containerd.version` for `recipes.containerd.version`, `deb` for `debian13`.
  return (
    known.find((candidate) => fold(candidate).endsWith(`.${wanted}`)) ??
    (wanted.length >= 3 ? known.find((candidate) => fold(candidate).startsWith(wanted)) : undefined)
  );
}

/** `did you mean "version"?`, or undefined when nothing is near. */
export function didYouMean(name: string, known: readonly string[]): string | undefined {
  const near = nearest(name, known);
  return near === undefined ? undefined : `did you mean ${near}?`;
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours each cost one. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The `36` of `v1.36.1`. */
export function minorOf(kubernetesVersion: string): number {
  return Number(kubernetesVersion.split('.')[1]);
}

/** The `v1.36` of `v1.36.1`. */
export function seriesOf(kubernetesVersion: string): string {
  return kubernetesVersion.split('.').slice(0, 2).join('.');
}

/** Whether dotted `version` is not older than `minimum`; what stands behind a hyphen is not looked at. */
export function isAtLeast(version: string, minimum: string): boolean {
  const parts = numbers(version);
  const wanted = numbers(minimum);
  for (const [index, number] of wanted.entries()) {
    const part = parts[index] ?? 0;
    if (part !== number) return part > number;
  }
  return true;
}

function numbers(version: string): readonly number[] {
  return (version.replace(/^v/, '').split('-')[0] ?? '').split('.').map(Number);
}

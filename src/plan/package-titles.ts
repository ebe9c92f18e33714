/** `install conntrack, socat, ebtables and 9 more`. */
export function installTitle(names: readonly string[]): string {
  const shown = names.length <= 4 ? names : names.slice(0, 3);
  const more = names.length - shown.length;
  return `install ${shown.join(', ')}${more === 0 ? '' : ` and ${more} more`}`;
}

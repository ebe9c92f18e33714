/** The last part of a URL's path, decoded: `SHA256SUMS`. The host where the path is empty. */
export function fileNameOf(url: string): string {
  const { pathname, host } = new URL(url);
  return decodePart(pathname.split('/').findLast((part) => part !== '') ?? host);
}

/** A percent-encoded part of a URL, decoded; as it is when it is not properly encoded. */
export function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

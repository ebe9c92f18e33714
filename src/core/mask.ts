/** A URL for people: without user, password, query and fragment, any of which may be a secret. */
export function maskUrl(url: string | URL): string {
  const text = String(url);
  if (!URL.canParse(text)) return text.replace(/\/\/[^/@]*@/, '//***@');
  const { protocol, username, password, host, pathname, search, hash } = new URL(text);
  if (`${username}${password}${search}${hash}` === '') return text;
  const user = username === '' && password === '' ? '' : '***@';
  return `${protocol}//${user}${host}${pathname}${search === '' ? '' : '?***'}`;
}

/** Up to what cannot be in a URL, or ends one in prose, shell and JSON. */
const URLS = /\bhttps?:\/\/[^\s"'`<>()\\]+/gi;

/** A text for people: what may be a secret in its URLs is hidden, the rest stays. */
export function maskUrls(text: string): string {
  return text.replaceAll(URLS, (url) => (/[@?]/.test(url) ? maskUrl(url) : url));
}

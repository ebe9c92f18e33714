import { type HostFile, sha256, withHostFiles, withText } from '../../src/core/index.ts';

/** Parsed parameters with the host files they name, as if the image file were in /host; `texts` is what the files hold, by name. */
export function withFakeHostFiles(params: unknown, texts: Readonly<Record<string, string>> = {}): unknown {
  return withHostFiles(params, ({ name, wantsText }): HostFile => {
    const text = texts[name] ?? `${name}\n`;
    const path = name.startsWith('/') ? name : `/host/${name}`;
    const file = { path, sha256: sha256(text) };
    return wantsText ? withText(file, text) : file;
  });
}

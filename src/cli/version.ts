import { readFileSync } from 'node:fs';

/** The package's version, from the package.json above this file, wherever it was compiled to. */
export function packageVersion(): string {
  for (let dir = new URL('.', import.meta.url); ; dir = new URL('..', dir)) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL('package.json', dir), 'utf8')) as Record<string, string>;
      if (name === 'kib-native' && version !== undefined) return version;
    } catch (error) {
      if (dir.pathname === '/') throw error;
    }
  }
}

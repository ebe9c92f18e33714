// Writes the generated pages of docs/; tests/architecture/docs.test.ts holds them fresh.
import { writeFile } from 'node:fs/promises';
import { loadRegistry } from '../src/cli/registry.ts';
import { renderDocs } from './docs.ts';

for (const [name, text] of Object.entries(renderDocs(await loadRegistry()))) {
  await writeFile(new URL(`../docs/${name}`, import.meta.url), text);
  console.log(`docs/${name}`);
}

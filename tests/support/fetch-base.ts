// Fetches one base and prints it: `fetch-base.ts <source as JSON> <cache folder>`. A process of its own, so that a test can kill it.
import type { LocalSource } from '../../src/core/index.ts';
import { fetchBase } from '../../src/engine/base/index.ts';
import { testContext } from './test-context.ts';

const [source = '', cache = ''] = process.argv.slice(2);
await using context = await testContext({ cache });
console.log(JSON.stringify(await fetchBase(JSON.parse(source) as LocalSource, 'amd64', context)));

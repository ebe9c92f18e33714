import { defineImage } from 'kib-native';
import { buildWithProgress } from './progress.ts';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort('SIGINT'));
const image = defineImage({ image: 'debian13', formats: ['qcow2'], recipes: { node: { packages: ['nfs-common'] } } });
const paths = await buildWithProgress(image, (text) => process.stderr.write(text), { signal: stop.signal });
for (const path of paths) console.log(path);

import { type BuildOptions, build, type ImageInput } from 'kib-native';

/** Builds an image and says on one line what is being done; returns the paths of the files it made. */
export async function buildWithProgress(
  image: ImageInput,
  say: (text: string) => unknown,
  options: BuildOptions = {},
): Promise<readonly string[]> {
  const handle = await build(image, options);
  let line = '';
  const show = (text: string) => say(`\r\u001b[K${text}`);
  for await (const event of handle) {
    if (event.type === 'span.start') {
      line = `${event.kind}: ${event.name}`;
      show(line);
    }
    if (event.type === 'span.progress' && event.total !== undefined) {
      show(`${line}, ${Math.floor((100 * event.done) / event.total)} %`);
    }
    if (event.type === 'warning') show(`${event.message}\n`);
  }
  show('');
  // Rejects with a KibError when the build failed; everything is cleaned up by then.
  const { artifacts } = await handle.result;
  return artifacts.map(({ path }) => path);
}

import type { z } from 'zod';
import type { imageSchema } from '../core/index.ts';

/** What an image file may hold: ImageSpec before defaults. */
export type ImageInput = z.input<typeof imageSchema>;

/** Identity function that gives an image file in TypeScript its types: `export default defineImage({ image: 'debian13' })`. */
export function defineImage(image: ImageInput): ImageInput {
  return image;
}

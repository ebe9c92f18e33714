import { z } from 'zod';

/** What an image can be exported to. */
export const formatSchema = z.enum(['qcow2', 'raw', 'ova', 'ami', 'template']);

import { defineRecipe, sh } from 'kib-native';
import { z } from 'zod';

export default defineRecipe({
  name: 'motd',
  summary: 'says at every login whose machine this is',
  params: z.strictObject({
    owner: z.string().describe('Who to ask about the machine'),
    news: z.boolean().default(false).describe('Whether the distribution’s own messages stay'),
  }),
  steps: (_context, { owner, news }) => [
    { kind: 'file', path: '/etc/motd', text: `This machine belongs to ${owner}.\n` },
    ...(news ? [] : [{ kind: 'remove' as const, paths: ['/etc/update-motd.d'] }]),
  ],
  checks: (_context, { owner }) => [
    {
      name: 'motd/owner',
      title: 'the message of the day names the owner',
      script: sh`cat /etc/motd`,
      expect: { kind: 'equals', text: `This machine belongs to ${owner}.` },
      when: ['build', 'boot'],
    },
  ],
});

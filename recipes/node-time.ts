import { type Action, type OsDefinition, sh } from '../src/core/index.ts';

/** chrony.conf(5). */
export function chronyConfig({ family }: OsDefinition): string {
  return family === 'debian' ? '/etc/chrony/chrony.conf' : '/etc/chrony.conf';
}

/** Takes the distribution's servers away, wherever it keeps them; those that DHCP names stay. */
export function takeTimeFrom(os: OsDefinition, servers: readonly string[]): Action {
  const unit = os.family === 'debian' ? 'chrony.service' : 'chronyd.service';
  return {
    kind: 'exec',
    title: `take the time from ${servers.join(', ')}`,
    script: sh`
      sed -i -E 's/^(server|pool|peer)[[:space:]]/# &/' ${chronyConfig(os)}
      rm -f /etc/chrony/sources.d/*.sources
      printf 'server %s iburst\n' ${servers} >>${chronyConfig(os)}
      systemctl restart ${unit}
    `,
    timeoutMs: 120_000,
  };
}

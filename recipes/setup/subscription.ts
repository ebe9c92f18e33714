import { type Action, type Check, type SecretRef, sh } from '../../src/core/index.ts';
import type { Subscription } from './params.ts';

const TIMEOUT_MS = 300_000;

/** Registers with subscription-manager(8). What proves who registers is a variable of the script alone. */
export function register(subscription: Subscription, environment: Readonly<Record<string, string>>): Action {
  const { org, activationKey, user, password, server, repositories } = subscription;
  const common = [...(server === undefined ? [] : [`--serverurl=${server}`]), ...(org === undefined ? [] : [`--org=${org}`])];
  const proof =
    activationKey === undefined
      ? sh`--username="$RHSM_USER" --password="$RHSM_PASSWORD"`
      : sh`--activationkey="$RHSM_ACTIVATION_KEY"`;
  const enabled = repositories.map((id) => `--enable=${id}`);
  return {
    kind: 'exec',
    title: 'register with Red Hat',
    script: sh`
      subscription-manager register --force ${common} ${proof}
      ${enabled.length === 0 ? sh`` : sh`subscription-manager repos ${enabled}`}
    `,
    timeoutMs: TIMEOUT_MS,
    attempts: 3,
    environment,
    secrets: definedSecrets({ RHSM_ACTIVATION_KEY: activationKey, RHSM_USER: user, RHSM_PASSWORD: password }),
  };
}

/**
 * Also from a layer, whose registration an earlier build has taken back already. What identifies the system (consumer and entitlement
 * certificates, redhat.repo) goes with `clean`.
 */
export function unregister(environment: Readonly<Record<string, string>>): Action {
  return {
    kind: 'exec',
    title: 'take the registration with Red Hat back',
    script: sh`
      subscription-manager unregister || :
      subscription-manager clean
      rm -f /var/log/rhsm/*
    `,
    timeoutMs: TIMEOUT_MS,
    environment,
  };
}

export const unregisteredCheck: Check = {
  name: 'setup/subscription',
  title: 'nobody’s subscription is in the image',
  script: sh`find /etc/pki/consumer /etc/pki/entitlement -name '*.pem' 2>/dev/null`,
  expect: { kind: 'equals', text: '' },
  when: ['boot'],
};

function definedSecrets(refs: Readonly<Record<string, SecretRef | undefined>>): Readonly<Record<string, SecretRef>> {
  return Object.fromEntries(Object.entries(refs).flatMap(([name, ref]) => (ref === undefined ? [] : [[name, ref] as const])));
}

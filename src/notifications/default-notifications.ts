import type { Config } from '../platform/config.js';

type Defaults = Pick<Config, 'noticeDays' | 'securityTeamEmail' | 'securityNoticeDays'>;

/** A default subscription, with the channel that all default subscriptions of its owner share. */
export interface DefaultNotification {
  label: string;
  description: string;
  channelLabel: string;
  recipients: readonly string[];
  leadS: number;
  /** Lower case; null for the security team, which hears of the certificates of all owners. */
  owner: string | null;
}

/**
 * The warnings of a certificate whose request names none: to the owner, and to the security team if one is configured.
 * Labels are Lemur's, but with the whole address, so that joe@a.example and joe@b.example do not share them.
 */
export function defaultNotifications(owner: string, config: Defaults): DefaultNotification[] {
  const security = config.securityTeamEmail ?? [];
  const toOwner = owner.includes('@')
    ? config.noticeDays.map((days) => byMail(`DEFAULT_${owner.toUpperCase()}`, days, [owner], owner.toLowerCase()))
    : [];
  const toSecurity =
    security.length > 0
      ? config.securityNoticeDays.map((days) => byMail('DEFAULT_SECURITY', days, security, null))
      : [];
  return [...toOwner, ...toSecurity];
}

/** True for labels with the reserved prefix of default notifications. */
export function isDefaultLabel(label: string): boolean {
  return /^default_/i.test(label.normalize('NFKC').trim());
}

function byMail(
  channelLabel: string,
  days: number,
  recipients: readonly string[],
  owner: string | null,
): DefaultNotification {
  return {
    label: `${channelLabel}_${days}_DAY`,
    description: `Default ${days} day expiration notification`,
    channelLabel,
    recipients,
    leadS: days * 86_400,
    owner,
  };
}

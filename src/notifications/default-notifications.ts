import type { Config } from '../platform/config.js';
import type { NewNotification } from './notification.repository.js';

type Defaults = Pick<Config, 'noticeDays' | 'securityTeamEmail' | 'securityNoticeDays'>;

/**
 * The warnings that a certificate gets when its request names none: to the owner, and to the security team where there
 * is one. Labels are Lemur's, but with the whole address, so that joe@a.example and joe@b.example do not share them.
 */
export function defaultNotifications(owner: string, config: Defaults): NewNotification[] {
  const security = config.securityTeamEmail ?? [];
  const toOwner = owner.includes('@')
    ? config.noticeDays.map((days) => byMail(`DEFAULT_${owner.toUpperCase()}_${days}_DAY`, days, owner))
    : [];
  const toSecurity =
    security.length > 0
      ? config.securityNoticeDays.map((days) => byMail(`DEFAULT_SECURITY_${days}_DAY`, days, security.join(',')))
      : [];
  return [...toOwner, ...toSecurity].filter((n) => n.leadS > 0);
}

/**
 * True for labels of the form that `defaultNotifications` gives: people make none of these, or they would warn in its
 * place.
 */
export function isDefaultLabel(label: string): boolean {
  return /^default_/i.test(label.normalize('NFKC').trim());
}

function byMail(label: string, days: number, recipients: string): NewNotification {
  return {
    label,
    description: `Default ${days} day expiration notification`,
    pluginId: 'email',
    options: { interval: days, unit: 'days', recipients },
    leadS: days * 86_400,
  };
}

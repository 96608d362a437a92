/** Every event that people can be told of. Names are stored with subscriptions and notices: never renamed. */
export const noticeEvents = [
  'certificate.issued',
  'certificate.discovered',
  'certificate.unexpected',
  'certificate.expiring',
  'certificate.rotated',
  'certificate.rotation-failed',
  'certificate.no-destination',
  'certificate.revoked',
  'certificate.still-served',
  'certificate.handed-over',
  'certificate.taken-over',
  'delivery.failing',
  'delivery.left',
  'order.overdue',
  'order.disputed',
  'withdrawal.given-up',
  'authority.expiring',
  'crl.overdue',
  'run.paused',
  'summary.weekly',
] as const;
export type NoticeEvent = (typeof noticeEvents)[number];

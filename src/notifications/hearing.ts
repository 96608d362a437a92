/** In SQL, what decides which subscriptions hear of a certificate or an authority. */
interface Facts {
  /** Null for an authority, of which no list speaks. */
  certificateId: string | null;
  owner: string;
  authorityId: string;
}

/**
 * In SQL, the ids of the subscriptions of which these facts are in scope, each once; active or not. Every branch reads
 * an index.
 */
export function subscriptionsOf({ certificateId, owner, authorityId }: Facts): string {
  const listed = `select subscription_id as id from certificate_subscription where certificate_id = ${certificateId}`;
  return [
    ...(certificateId === null ? [] : [listed]),
    `select id from subscription where scope = 'owner' and owner = lower(${owner})`,
    `select id from subscription where scope = 'authority' and authority_id = ${authorityId}`,
    `select id from subscription where scope = 'all'`,
  ].join(' union ');
}

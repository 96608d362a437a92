/**
 * Who asks, in the order of the columns: `reader` holds the owner's role too, and `key` is an API key of the owner with
 * the scope `certificate:read`.
 */
const columns = ['none', 'user', 'reader', 'owner', 'operator', 'auditor', 'admin', 'key'] as const;
/** `bareKey` is an API key of the owner without scopes, and has no column: it answers as the owner on most routes. */
export const actors = [...columns, 'bareKey'] as const;
export type WhoAsks = (typeof actors)[number];

/*
 * What each route answers to whom; `ok` is any 2xx. Everything in the paths belongs to the team that `owner` is of.
 */
const table = `
                                          none      user      reader    owner     operator  auditor   admin     key
GET    /                                  302       302       302       302       302       302       302       302

GET    /.well-known/acme-challenge/:token 404       404       404       404       404       404       404       404

GET    /admin/rekey                       401       403       403       403       403       403       ok        403
POST   /admin/rekey                       401       403       403       403       403       403       ok        403

POST   /auth/google                       400       400       400       400       400       400       400       400
POST   /auth/login                        400       400       400       400       400       400       400       400
POST   /auth/logout                       401       ok        ok        ok        ok        ok        ok        403
GET    /auth/me                           401       ok        ok        ok        ok        ok        ok        ok
GET    /auth/oauth2                       400       400       400       400       400       400       400       400
POST   /auth/oauth2                       400       400       400       400       400       400       400       400
GET    /auth/oidc/callback                400       400       400       400       400       400       400       400
GET    /auth/oidc/login                   404       404       404       404       404       404       404       404
POST   /auth/password                     401       400       400       400       400       400       400       403
GET    /auth/ping                         400       400       400       400       400       400       400       400
POST   /auth/ping                         400       400       400       400       400       400       400       400
GET    /auth/providers                    ok        ok        ok        ok        ok        ok        ok        ok

GET    /authorities                       401       ok        ok        ok        ok        ok        ok        403
POST   /authorities                       401       403       403       403       403       403       ok        403
GET    /authorities/csrs                  401       ok        403       ok        ok        ok        ok        403
POST   /authorities/csrs                  401       403       403       403       403       403       ok        403
GET    /authorities/csrs/:id              401       404       403       404       404       404       ok        403
DELETE /authorities/csrs/:id              401       404       403       404       404       404       ok        403
POST   /authorities/csrs/:id/certificate  401       404       403       404       404       404       400       403
GET    /authorities/:id                   401       404       ok        ok        ok        404       ok        403
PUT    /authorities/:id                   401       404       403       ok        403       404       ok        403
DELETE /authorities/:id                   401       403       403       403       403       403       ok        403
POST   /authorities/:id/csr               401       404       403       ok        403       404       ok        403
POST   /authorities/:id/account-key       401       404       403       409       403       404       409       403
GET    /authorities/:id/certificates      401       404       403       400       403       404       400       403
GET    /authorities/:id/crl               401       404       ok        ok        ok        404       ok        403
POST   /authorities/:id/crl               401       404       403       ok        403       404       ok        403
GET    /authorities/:id/issuers           401       404       ok        ok        ok        404       ok        403
POST   /authorities/:id/issuers           401       404       403       400       403       404       400       403
PUT    /authorities/:id/issuers/current   401       404       403       400       403       404       400       403
POST   /authorities/:id/issuers/refresh   401       404       403       409       403       404       409       403
GET    /authorities/:id/organizations     401       404       403       400       403       404       400       403
GET    /authorities/:id/persons           401       404       403       400       403       404       400       403
POST   /authorities/:id/persons           401       404       403       400       403       404       400       403
GET    /authorities/:id/profiles          401       404       403       400       403       404       400       403
GET    /authorities/:id/profiles/:profile 401       404       403       400       403       404       400       403
PUT    /authorities/:id/profiles/:profile 401       404       403       400       403       404       400       403
POST   /authorities/:id/renew             401       404       403       ok        403       404       ok        403
GET    /authorities/:id/requests          401       404       403       400       403       404       400       403
GET    /authorities/:id/requests/:request 401       404       403       400       403       404       400       403
PUT    /authorities/:id/requests/:request 401       404       403       400       403       404       400       403
PUT    /authorities/:id/revoke            401       404       403       409       403       404       409       403
POST   /authorities/:id/revocations       401       404       403       400       403       404       400       403
GET    /authorities/:id/roles             401       404       ok        ok        ok        404       ok        403
GET    /authorities/:id/settings          401       404       403       400       403       404       400       403
PUT    /authorities/:id/settings          401       404       403       400       403       404       400       403
GET    /authorities/:id/visualize         401       404       ok        ok        ok        404       ok        403
POST   /authorities/:id/sign              401       403       403       ok        ok        403       ok        403
POST   /authorities/:id/sign-unstored     401       403       403       ok        ok        403       ok        403
GET    /authorities/:id/orders/:order     401       404       404       ok        404       404       ok        ok

GET    /certificates                      401       ok        ok        ok        ok        ok        ok        ok
POST   /certificates                      401       403       403       ok        ok        403       ok        403
GET    /certificates/:id                  401       ok        ok        ok        ok        ok        ok        ok
PUT    /certificates/:id                  401       403       403       ok        403       403       ok        403
POST   /certificates/:id                  401       403       403       ok        403       403       ok        403
DELETE /certificates/:id                  401       403       403       ok        403       403       ok        403
POST   /certificates/:id/accept           401       403       403       ok        403       403       ok        403
POST   /certificates/:id/adopt            401       403       403       ok        403       403       ok        403
GET    /certificates/:id/authority        401       404       ok        ok        ok        404       ok        403
GET    /certificates/:id/creator          401       ok        ok        ok        ok        ok        ok        ok
PUT    /certificates/:id/deactivate       401       403       403       400       403       403       400       403
GET    /certificates/:id/acknowledgements 401       ok        ok        ok        ok        ok        ok        ok
PUT    /certificates/:id/acknowledgements/:event 401 403     403       ok        403       403       ok        403
DELETE /certificates/:id/acknowledgements/:event 401 403     403       ok        403       403       ok        403
GET    /certificates/:id/deliveries       401       ok        ok        ok        ok        ok        ok        403
PUT    /certificates/:id/description      401       403       403       ok        403       403       ok        403
GET    /certificates/:id/destinations     401       ok        ok        ok        ok        ok        ok        403
GET    /certificates/:id/domains          401       ok        ok        ok        ok        ok        ok        ok
POST   /certificates/:id/export           401       ok        403       ok        ok        ok        ok        403
GET    /certificates/:id/fetches          401       ok        ok        ok        ok        ok        ok        ok
GET    /certificates/:id/files/:file      401       ok        ok        ok        ok        ok        ok        ok
GET    /certificates/:id/history          401       ok        ok        ok        ok        ok        ok        ok
PUT    /certificates/:id/hold             401       403       403       ok        403       403       ok        403
GET    /certificates/:id/key              401       403       403       ok        403       403       ok        403
GET    /certificates/:id/notifications    401       ok        ok        ok        ok        ok        ok        403
GET    /certificates/:id/plan             401       ok        ok        ok        ok        ok        ok        ok
POST   /certificates/:id/redeploy         401       403       403       ok        ok        403       ok        403
POST   /certificates/:id/reissue          401       403       403       ok        403       403       ok        403
GET    /certificates/:id/replacements     401       ok        ok        ok        ok        ok        ok        ok
POST   /certificates/:id/restore          401       403       403       ok        403       403       ok        403
PUT    /certificates/:id/release          401       403       403       ok        403       403       ok        403
PUT    /certificates/:id/revoke           401       403       403       ok        403       403       ok        403
POST   /certificates/:id/rotate           401       403       403       ok        403       403       ok        403
GET    /certificates/:id/sources          401       ok        ok        ok        ok        ok        ok        403
POST   /certificates/:id/update/owner     401       403       403       ok        403       403       ok        403
POST   /certificates/:id/update/switches  401       403       403       ok        403       403       ok        403
POST   /certificates/:id/verify           401       403       403       ok        403       403       ok        403
POST   /certificates/bulk                 401       403       403       ok        403       403       ok        403
GET    /certificates/current/:name        401       ok        ok        ok        ok        ok        ok        ok
GET    /certificates/name/:name           401       ok        ok        ok        ok        ok        ok        ok
GET    /certificates/stats                401       ok        ok        ok        ok        ok        ok        ok
POST   /certificates/upload               401       ok        403       ok        ok        ok        ok        403
POST   /certificates/upload/bulk          401       ok        403       ok        ok        ok        ok        403
GET    /certificates/valid                401       ok        ok        ok        ok        ok        ok        ok

GET    /channels                          401       ok        ok        ok        ok        ok        ok        403
POST   /channels                          401       ok        403       ok        ok        ok        ok        403
GET    /channels/:id                      401       ok        ok        ok        ok        ok        ok        403
PUT    /channels/:id                      401       403       403       403       ok        403       ok        403
DELETE /channels/:id                      401       403       403       403       ok        403       ok        403
GET    /channels/:id/preview              401       403       403       403       ok        403       ok        403
POST   /channels/:id/test                 401       403       403       403       ok        403       ok        403

GET    /defaults                          401       ok        ok        ok        ok        ok        ok        ok

GET    /deliveries                        401       ok        ok        ok        ok        ok        ok        403
GET    /deliveries/:id                    401       ok        ok        ok        ok        ok        ok        403
POST   /deliveries/:id/check              401       403       403       ok        ok        403       ok        403
POST   /deliveries/:id/retry              401       403       403       ok        ok        403       ok        403

GET    /destinations                      401       ok        ok        ok        ok        ok        ok        403
POST   /destinations                      401       403       403       403       403       403       ok        403
GET    /destinations/:id                  401       ok        ok        ok        ok        ok        ok        403
PUT    /destinations/:id                  401       403       403       403       403       403       ok        403
GET    /destinations/:id/roles             401       ok        ok        ok        ok        ok        ok        403
DELETE /destinations/:id                  401       403       403       403       403       403       ok        403
GET    /destinations/:id/filter           401       ok        ok        ok        ok        ok        ok        403
PUT    /destinations/:id/filter           401       403       403       403       403       403       ok        403
DELETE /destinations/:id/filter           401       403       403       403       403       403       ok        403
POST   /destinations/:id/test             401       403       403       403       403       403       ok        403
GET    /destinations/stats                401       ok        ok        ok        ok        ok        ok        ok

GET    /dns_provider_options              401       ok        ok        ok        ok        ok        ok        403
GET    /dns_providers                     401       ok        ok        ok        ok        ok        ok        403
POST   /dns_providers                     401       403       403       403       403       403       ok        403
GET    /dns_providers/:id                 401       ok        ok        ok        ok        ok        ok        403
PUT    /dns_providers/:id                 401       403       403       403       403       403       ok        403
DELETE /dns_providers/:id                 401       403       403       403       403       403       ok        403
POST   /dns_providers/:id/test            401       403       403       403       403       403       ok        403

GET    /domain-rules                      401       ok        ok        ok        ok        ok        ok        403
POST   /domain-rules                      401       403       403       403       403       403       ok        403
GET    /domain-rules/:id                  401       ok        ok        ok        ok        ok        ok        403
PUT    /domain-rules/:id                  401       403       403       403       403       403       ok        403
DELETE /domain-rules/:id                  401       403       403       403       403       403       ok        403

GET    /domains                           401       ok        ok        ok        ok        ok        ok        403
POST   /domains                           401       ok        403       ok        ok        ok        ok        403
GET    /domains/:id                       401       ok        ok        ok        ok        ok        ok        403
PUT    /domains/:id                       401       403       403       403       403       403       ok        403

GET    /endpoints                         401       ok        ok        ok        ok        ok        ok        403
GET    /endpoints/:id                     401       ok        ok        ok        ok        ok        ok        403

GET    /healthcheck                       ok        ok        ok        ok        ok        ok        ok        ok

GET    /jobs                              401       403       ok        403       ok        403       ok        403
POST   /jobs/replay                       401       403       403       403       ok        403       ok        403
POST   /jobs/:id/replay                   401       403       403       403       ok        403       ok        403

GET    /keys                              401       ok        ok        ok        ok        ok        ok        403
POST   /keys                              401       ok        ok        ok        ok        ok        ok        403
GET    /keys/:aid                         401       403       403       403       403       403       ok        403
PUT    /keys/:aid                         401       403       403       403       403       403       ok        403
DELETE /keys/:aid                         401       403       403       403       403       403       ok        403
GET    /keys/:aid/described               401       403       403       403       403       403       ok        403

GET    /logs                              401       403       403       403       403       ok        ok        403
GET    /logs/export                       401       403       403       403       403       ok        ok        403

GET    /mails                             401       403       403       403       ok        403       ok        403
GET    /mails/:id                         401       403       403       403       ok        403       ok        403

GET    /notice-layout                     401       ok        ok        ok        ok        ok        ok        403
PUT    /notice-layout                     401       403       403       403       ok        403       ok        403
GET    /notice-layout/preview             401       403       403       403       ok        403       ok        403
GET    /notices                           401       ok        ok        ok        ok        ok        ok        403
GET    /notices/:id                       401       404       ok        ok        ok        404       ok        403
POST   /notices/:id/retry                 401       404       403       ok        ok        404       ok        403

GET    /notifications                     401       ok        ok        ok        ok        ok        ok        403
POST   /notifications                     401       ok        403       ok        ok        ok        ok        403
GET    /notifications/:id                 401       ok        ok        ok        ok        ok        ok        403
PUT    /notifications/:id                 401       403       403       403       ok        403       ok        403
DELETE /notifications/:id                 401       403       403       403       ok        403       ok        403
GET    /notifications/:id/certificates    401       ok        ok        ok        ok        ok        ok        ok
POST   /notifications/:id/test            401       403       403       403       ok        403       ok        403

GET    /pending_certificates              401       ok        ok        ok        ok        ok        ok        ok
GET    /pending_certificates/:id          401       ok        ok        ok        ok        ok        ok        ok
PUT    /pending_certificates/:id          401       403       403       ok        403       403       ok        403
DELETE /pending_certificates/:id          401       403       403       ok        403       403       ok        403
GET    /pending_certificates/:id/key      401       403       403       ok        403       403       ok        403
POST   /pending_certificates/:id/accept   401       403       403       ok        403       403       ok        403
POST   /pending_certificates/:id/reject   401       403       403       ok        403       403       ok        403
PUT    /pending_certificates/:id/retry    401       403       403       ok        403       403       ok        403
POST   /pending_certificates/:id/upload   401       403       403       400       403       403       400       403

GET    /pki/:file                         404       404       404       404       404       404       404       404
GET    /pki/ocsp                          400       400       400       400       400       400       400       400
GET    /pki/ocsp*                         400       400       400       400       400       400       400       400
POST   /pki/ocsp                          400       400       400       400       400       400       400       400
POST   /pki/ocsp*                         404       404       404       404       404       404       404       404

GET    /plugins                           401       ok        ok        ok        ok        ok        ok        403
GET    /plugins/:slug                     401       ok        ok        ok        ok        ok        ok        403

GET    /profiles                          401       ok        ok        ok        ok        ok        ok        403
POST   /profiles                          401       403       403       403       403       403       ok        403
GET    /profiles/:id                      401       ok        ok        ok        ok        ok        ok        403
PUT    /profiles/:id                      401       403       403       403       403       403       ok        403
DELETE /profiles/:id                      401       403       403       403       403       403       ok        403
POST   /profiles/:id/preview              401       403       403       403       403       403       ok        403
GET    /profiles/:id/versions             401       ok        ok        ok        ok        ok        ok        403

GET    /policies                          401       ok        ok        ok        ok        ok        ok        403
POST   /policies                          401       403       403       403       ok        403       ok        403
GET    /policies/:id                      401       ok        ok        ok        ok        ok        ok        403
PUT    /policies/:id                      401       403       403       403       ok        403       ok        403
DELETE /policies/:id                      401       403       403       403       ok        403       ok        403

GET    /rotation/calendar                 401       ok        ok        ok        ok        ok        ok        ok
GET    /rotation/limits                   401       ok        ok        ok        ok        ok        ok        403
PUT    /rotation/limits                   401       403       403       403       ok        403       ok        403
GET    /rotation/pauses                   401       ok        ok        ok        ok        ok        ok        403
POST   /rotation/pauses                   401       403       403       ok        403       403       ok        403
GET    /rotation/pauses/:id               401       ok        ok        ok        ok        ok        ok        403
PUT    /rotation/pauses/:id               401       403       403       ok        403       403       ok        403
DELETE /rotation/pauses/:id               401       403       403       ok        403       403       ok        403

GET    /replacements                      401       ok        403       ok        ok        ok        ok        403
POST   /replacements                      401       ok        403       ok        ok        ok        ok        403
GET    /replacements/:id                  401       404       403       404       404       404       ok        403
PUT    /replacements/:id                  401       404       403       404       404       404       ok        403
GET    /replacements/:id/certificates     401       404       403       404       404       404       ok        403

GET    /revocations                       401       ok        403       ok        ok        ok        ok        403
POST   /revocations                       401       ok        403       ok        ok        ok        ok        403
GET    /revocations/:id                   401       404       403       404       404       404       ok        403
PUT    /revocations/:id                   401       404       403       404       404       404       ok        403
GET    /revocations/:id/certificates      401       404       403       404       404       404       ok        403

GET    /roles                             401       ok        ok        ok        ok        ok        ok        403
POST   /roles                             401       403       403       403       403       403       ok        403
GET    /roles/:id                         401       403       403       403       403       403       ok        403
PUT    /roles/:id                         401       403       403       403       403       403       ok        403
DELETE /roles/:id                         401       403       403       403       403       403       ok        403
GET    /roles/:id/credentials             401       403       403       403       403       403       ok        403
GET    /roles/:id/users                   401       ok        ok        ok        ok        ok        ok        403

GET    /sources                           401       ok        ok        ok        ok        ok        ok        403
POST   /sources                           401       403       403       403       403       403       ok        403
GET    /sources/:id                       401       ok        ok        ok        ok        ok        ok        403
PUT    /sources/:id                       401       403       403       403       403       403       ok        403
DELETE /sources/:id                       401       403       403       403       403       403       ok        403
POST   /sources/:id/clean                 401       403       403       403       403       403       ok        403
GET    /sources/:id/findings              401       ok        ok        ok        ok        ok        ok        403
POST   /sources/:id/sync                  401       403       403       403       ok        403       ok        403
GET    /sources/:id/syncs                 401       ok        ok        ok        ok        ok        ok        403
POST   /sources/:id/targets               401       403       403       403       403       403       ok        403
POST   /sources/:id/test                  401       403       403       403       403       403       ok        403
POST   /sources/targets                   401       403       403       403       403       403       ok        403

GET    /subscriptions                     401       ok        ok        ok        ok        ok        ok        403
POST   /subscriptions                     401       ok        403       ok        ok        ok        ok        403
GET    /subscriptions/:id                 401       ok        ok        ok        ok        ok        ok        403
PUT    /subscriptions/:id                 401       403       403       403       ok        403       ok        403
DELETE /subscriptions/:id                 401       403       403       403       ok        403       ok        403

GET    /tasks                             401       403       ok        403       ok        403       ok        403
PUT    /tasks/:task                       401       403       403       403       ok        403       ok        403
POST   /tasks/:task/run                   401       403       403       403       ok        403       ok        403
GET    /tasks/:task/runs                  401       403       ok        403       ok        403       ok        403

GET    /users                             401       ok        ok        ok        ok        ok        ok        403
POST   /users                             401       403       403       403       403       403       ok        403
GET    /users/:id                         401       ok        ok        ok        ok        ok        ok        403
PUT    /users/:id                         401       403       403       403       403       403       ok        403
GET    /users/:id/identities              401       403       403       403       403       403       ok        403
DELETE /users/:id/identities/:identityId  401       403       403       403       403       403       ok        403
GET    /users/:id/keys                    401       403       403       403       403       403       ok        403
POST   /users/:id/keys                    401       403       403       403       403       403       ok        403
GET    /users/:id/keys/:aid               401       403       403       403       403       403       ok        403
PUT    /users/:id/keys/:aid               401       403       403       403       403       403       ok        403
DELETE /users/:id/keys/:aid               401       403       403       403       403       403       ok        403
GET    /users/:id/roles                   401       ok        ok        ok        ok        ok        ok        403

POST   /verify                            401       ok        ok        ok        ok        ok        ok        ok
`;

/** What an API key of the owner without scopes may not do, though the owner may. */
const refusedToBareKey: ReadonlySet<string> = new Set([
  'get /certificates/:id/key',
  'get /pending_certificates/:id/key',
  'post /auth/logout',
  'post /auth/password',
  'post /keys',
]);

/** The table by route, such as `get /certificates/:id`. */
export const rights: ReadonlyMap<string, Readonly<Record<WhoAsks, string>>> = new Map(
  table
    .trim()
    .split('\n')
    .slice(1)
    .filter((line) => line !== '')
    .map((line) => {
      const [method = '', path = '', ...cells] = line.trim().split(/\s+/);
      const route = `${method.toLowerCase()} ${path}`;
      const answers = Object.fromEntries(columns.map((actor, i) => [actor, cells[i] ?? '']));
      const bareKey = refusedToBareKey.has(route) ? '403' : answers['owner'];
      return [route, { ...answers, bareKey } as Record<WhoAsks, string>];
    }),
);

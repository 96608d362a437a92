/** Options as Lemur stores them: JSON, or JSON within a JSON string. */
export type StoredOptions = unknown;

export interface LemurUser {
  id: number;
  username: string | null;
  email: string | null;
  password: string | null;
  active: boolean | null;
}
export interface LemurRole {
  id: number;
  name: string;
  description: string | null;
  username: string | null;
  password: Buffer | string | null;
  thirdParty: boolean | null;
}
export interface LemurPolicy {
  id: number;
  name: string | null;
  days: number | null;
}
/** A destination, source or notification. */
export interface LemurPlugin {
  id: number;
  label: string | null;
  description: string | null;
  pluginName: string | null;
  options: StoredOptions;
  active: boolean | null;
}
export interface LemurApiKey {
  id: number;
  name: string | null;
  userId: number | null;
  ttl: number | string | null;
  issuedAt: number | string | null;
  revoked: boolean | null;
  applicationName: string | null;
}
export interface LemurAuthority {
  id: number;
  name: string;
  owner: string | null;
  description: string | null;
  body: string | null;
  chain: string | null;
  active: boolean | null;
  pluginName: string | null;
  options: StoredOptions;
  userId: number | null;
  dateCreated: Date | null;
}
export interface LemurCertificate {
  id: number;
  name: string | null;
  owner: string | null;
  description: string | null;
  notify: boolean | null;
  body: string | null;
  chain: string | null;
  csr: string | null;
  privateKey: Buffer | string | null;
  externalId: string | null;
  status: string | null;
  deleted: boolean | null;
  rotation: boolean | null;
  rotationPolicyId: number | null;
  userId: number | null;
  authorityId: number | null;
  rootAuthorityId: number | null;
  dateCreated: Date | null;
}

/** A table of Lemur: columns of every version, and columns that some versions lack. */
export interface LemurTable<Row extends { id: number }> {
  name: string;
  required: readonly (keyof Row & string)[];
  optional: readonly (keyof Row & string)[];
}

const plugin = { required: ['id', 'label', 'pluginName'], optional: ['description', 'options'] } as const;

export const users: LemurTable<LemurUser> = {
  name: 'users',
  required: ['id', 'username', 'email'],
  optional: ['password', 'active'],
};
export const roles: LemurTable<LemurRole> = {
  name: 'roles',
  required: ['id', 'name'],
  optional: ['description', 'username', 'password', 'thirdParty'],
};
export const policies: LemurTable<LemurPolicy> = {
  name: 'rotation_policies',
  required: ['id', 'name', 'days'],
  optional: [],
};
export const destinations: LemurTable<LemurPlugin> = {
  name: 'destinations',
  ...plugin,
  optional: [...plugin.optional, 'active'],
};
export const sources: LemurTable<LemurPlugin> = {
  name: 'sources',
  ...plugin,
  optional: [...plugin.optional, 'active'],
};
export const notifications: LemurTable<LemurPlugin> = {
  name: 'notifications',
  ...plugin,
  optional: [...plugin.optional, 'active'],
};
export const apiKeys: LemurTable<LemurApiKey> = {
  name: 'api_keys',
  required: ['id', 'userId', 'ttl', 'issuedAt', 'revoked'],
  optional: ['name', 'applicationName'],
};
export const authorities: LemurTable<LemurAuthority> = {
  name: 'authorities',
  required: ['id', 'name'],
  optional: ['owner', 'description', 'body', 'chain', 'active', 'pluginName', 'options', 'userId', 'dateCreated'],
};
export const certificates: LemurTable<LemurCertificate> = {
  name: 'certificates',
  required: ['id', 'name', 'owner', 'body'],
  optional: [
    'description',
    'notify',
    'chain',
    'csr',
    'privateKey',
    'externalId',
    'status',
    'deleted',
    'rotation',
    'rotationPolicyId',
    'userId',
    'authorityId',
    'rootAuthorityId',
    'dateCreated',
  ],
};

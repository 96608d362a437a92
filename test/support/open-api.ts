import { expect } from 'vitest';
import { z } from 'zod';
import type { Answer } from './program.js';
import type { Json } from './json.js';

/** One operation of the document: `get /api/1/certificates/{id}`, its parts, and what the document says of it. */
export interface Operation {
  name: string;
  method: string;
  path: string;
  words: Json;
}

/** The OpenAPI document of the running program, to hold answers against. */
export class ApiDocument {
  readonly operations: readonly Operation[];
  private readonly schemas = new Map<object, z.ZodType>();

  constructor(readonly document: Json) {
    this.operations = Object.entries<object>(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, words]): Operation => ({ name: `${method} ${path}`, method, path, words })),
    );
  }

  /** The validator of a schema of the document. */
  schemaOf(schema: object): z.ZodType {
    const known = this.schemas.get(schema);
    if (known) return known;
    const $defs = this.document.components.schemas;
    const made = z.fromJSONSchema(
      JSON.parse(JSON.stringify({ $defs, ...schema }).replaceAll('#/components/schemas/', '#/$defs/')),
    );
    this.schemas.set(schema, made);
    return made;
  }

  /** The schema that a `$ref` of the document names; any other schema is itself. */
  resolve(schema: Json): Json {
    const name = /^#\/components\/schemas\/(.+)$/.exec(schema?.$ref ?? '')?.[1];
    return name === undefined ? schema : this.document.components.schemas[name];
  }

  /** Demands that an answer is one that the document describes. */
  expectDescribed({ name, words }: Operation, { status, headers, body }: Answer): void {
    const described = words.responses[status] ?? (status >= 400 ? words.responses.default : undefined);
    expect(described, `${name} says nothing of ${status}`).toBeDefined();
    const content = Object.entries<Json>(described.content ?? {});
    if (content.length === 0) return expect(body).toBe('');
    const type = headers.get('content-type')?.split(';')[0] ?? '';
    const [, entry] = content.find(([known]) => known === type) ?? [];
    expect(entry, `${name} answers ${status} as ${type}`).toBeDefined();
    if (/[/+]json$/.test(type))
      expect(() => this.schemaOf(entry.schema).parse(body), JSON.stringify(body).slice(0, 2000)).not.toThrow();
  }
}

/**
 * Operations that are of use only together with an identity provider; the specs of sign-in hold their answers against
 * the document.
 */
export const ofIdentityProviders: readonly string[] = [
  'get /api/1/auth/oidc/login',
  ...['get', 'post'].flatMap((method) => ['oauth2', 'ping'].map((name) => `${method} /api/1/auth/${name}`)),
  'get /api/1/auth/oidc/callback',
  'post /api/1/auth/google',
  'delete /api/1/users/{id}/identities/{identityId}',
];

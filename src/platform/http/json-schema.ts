import type { OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';

/** A JSON Schema (draft 2020-12, as OpenAPI 3.1 uses it). */
export type JsonSchema = Record<string, unknown>;

/** Whether a schema describes what clients send or what they receive: defaults and transforms make the two differ. */
type Side = 'input' | 'output';

const sides = ['output', 'input'] as const;
const local = '#/$defs/';
const shared = '#/components/schemas/';

/** The JSON Schema of one side. Throws at boot for a schema that JSON cannot express. */
export function jsonSchemaOf(schema: z.ZodType, side: Side): JsonSchema {
  const json: JsonSchema = z.toJSONSchema(schema, { io: side, override: showDefault });
  delete json['$schema'];
  return mark(json, side) as JsonSchema;
}

/** zod hides the default of a value that is sent as text and becomes a number; clients want to know it. */
function showDefault({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodTypes; jsonSchema: JsonSchema }): void {
  if (zodSchema._zod.def.type === 'default') jsonSchema['default'] ??= zodSchema._zod.def.defaultValue;
}

/** The members of an object schema, each with its own JSON Schema. */
export function membersOf(json: JsonSchema): { name: string; required: boolean; schema: JsonSchema }[] {
  const {
    required = [],
    properties = {},
    $defs,
  } = json as { required?: string[]; properties?: Record<string, JsonSchema>; $defs?: JsonSchema };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    required: required.includes(name),
    schema: { ...schema, ...($defs && { $defs }) },
  }));
}

/**
 * The document with every named schema (`.meta({ id })`) under `components.schemas`, once. Where the sides of a name
 * differ, the one that clients send is called `<name>Input`. Throws when two schemas share a name.
 */
export function shareSchemas(document: OpenAPIObject): OpenAPIObject {
  const found = new Map<string, JsonSchema>();
  const bare = collect(document, found) as OpenAPIObject;
  const twoSided = namesWithTwoSides(found);
  const schemas: Record<string, unknown> = { ...bare.components?.schemas };
  for (const [mark, schema] of found) schemas[sharedName(mark, twoSided)] ??= schema;
  const whole = { ...bare, components: { ...bare.components, schemas: sorted(schemas) } };
  return mapRefs(whole, (ref) =>
    ref.startsWith(local) ? shared + sharedName(ref.slice(local.length), twoSided) : ref,
  ) as OpenAPIObject;
}

/** Names carry their side (`Certificate:input`) until the document is complete and all of them are known. */
function mark(json: unknown, side: Side): unknown {
  const renamed = mapRefs(json, (ref) => (ref.startsWith(local) ? `${ref}:${side}` : ref)) as JsonSchema;
  if (!renamed.$defs) return renamed;
  return {
    ...renamed,
    $defs: Object.fromEntries(Object.entries(renamed.$defs).map(([name, schema]) => [`${name}:${side}`, schema])),
  };
}

function collect(node: unknown, found: Map<string, JsonSchema>): unknown {
  if (Array.isArray(node)) return node.map((entry) => collect(entry, found));
  if (typeof node !== 'object' || node === null) return node;
  const { $defs, ...rest } = node as { $defs?: Record<string, JsonSchema> };
  for (const [name, schema] of Object.entries($defs ?? {})) keep(name, schema, found);
  return Object.fromEntries(Object.entries(rest).map(([key, entry]) => [key, collect(entry, found)]));
}

function keep(name: string, schema: JsonSchema, found: Map<string, JsonSchema>): void {
  const known = found.get(name);
  if (known && JSON.stringify(known) !== JSON.stringify(schema))
    throw new Error(`Two schemas are called ${nameOf(name)}.`);
  found.set(name, schema);
}

/** A name also has two sides when something that it refers to has. */
function namesWithTwoSides(found: ReadonlyMap<string, JsonSchema>): ReadonlySet<string> {
  const texts = new Map([...found].map(([marked, schema]) => [marked, JSON.stringify(schema)]));
  const names = new Set([...found.keys()].map(nameOf));
  const both = [...names].filter((name) => sides.every((side) => texts.has(`${name}:${side}`)));
  const unmarked = (name: string, side: Side): string =>
    (texts.get(`${name}:${side}`) ?? '').replaceAll(`:${side}"`, '"');
  const differing = new Set(both.filter((name) => unmarked(name, 'input') !== unmarked(name, 'output')));
  for (let before = -1; before !== differing.size;) {
    before = differing.size;
    for (const name of both) {
      const text = texts.get(`${name}:input`) ?? '';
      if ([...differing].some((other) => text.includes(`"${local}${other}:input"`))) differing.add(name);
    }
  }
  return differing;
}

function nameOf(marked: string): string {
  return marked.slice(0, marked.lastIndexOf(':'));
}

function sharedName(marked: string, twoSided: ReadonlySet<string>): string {
  const name = nameOf(marked);
  return marked.endsWith(':input') && twoSided.has(name) ? `${name}Input` : name;
}

function mapRefs(node: unknown, rename: (ref: string) => string): unknown {
  if (Array.isArray(node)) return node.map((entry) => mapRefs(entry, rename));
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, entry]) => [
      key,
      key === '$ref' && typeof entry === 'string' ? rename(entry) : mapRefs(entry, rename),
    ]),
  );
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

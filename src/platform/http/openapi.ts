import type { Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { z } from 'zod';
import { version } from '../version.js';
import { publicKey } from './actor.js';
import { jsonSchemaOf, shareSchemas } from './json-schema.js';
import { apiPrefix, docsPath, openApiPath } from './platform-surfaces.js';
import { problems } from './problem.js';

const ProblemDocument = z
  .strictObject({
    type: z.url().meta({ description: 'A page that explains this kind of problem.' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().meta({ description: 'What happened this time.' }),
    instance: z.string().meta({ description: '`urn:uuid:` and the id of the request, as in the log.' }),
    message: z.string().meta({ description: 'The same as `detail`.' }),
    reasons: z
      .record(z.string(), z.array(z.string()))
      .optional()
      .meta({ description: 'What is wrong, by field (dotted path).' }),
  })
  .meta({
    id: 'Problem',
    description: `RFC 9457. The last part of \`type\` is one of: ${Object.keys(problems).join(', ')}.`,
  });

type OperationObject = NonNullable<OpenAPIObject['paths'][string]['get']>;

const problemAnswer = {
  description: 'An error; `type` names it.',
  content: { 'application/problem+json': { schema: jsonSchemaOf(ProblemDocument, 'output') } },
};

/** The OpenAPI 3.1 document of every route that is not hidden. */
export function openApiDocument(app: NestFastifyApplication, publicUrl: string): OpenAPIObject {
  const words = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Perennial')
    .setDescription('Certificates from request to retirement. Errors are `application/problem+json` (RFC 9457).')
    .setVersion(version())
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer(publicUrl)
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'A token from POST /auth/login.' }, 'bearer')
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, words, { operationIdFactory });
  const open = openOperations(app);
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const operation of Object.values(operations as Record<string, OperationObject>)) {
      operation.tags = [groupOf(path)];
      operation.responses = { ...operation.responses, default: problemAnswer };
      if (open.has(operation.operationId ?? '')) operation.security = [];
    }
  }
  document.tags = groups.map((name) => ({ name }));
  return shareSchemas(document);
}

/** The groups of the documentation, the main job first; others follow. */
const groups = [
  'auth',
  'authorities',
  'certificates',
  'destinations',
  'deliveries',
  'notifications',
  'policies',
  'mails',
  'users',
  'roles',
  'logs',
  'jobs',
  'plugins',
];

/** The first word of the path behind the prefix. */
function groupOf(path: string): string {
  return path.replace(`${apiPrefix}/`, '').replace(/^\//, '').split('/')[0] ?? '';
}

/**
 * Serves the document, and the page that shows it from files of the installed package only. Neither needs sign-in.
 */
export function setupApiDocs(app: NestFastifyApplication, publicUrl: string): void {
  SwaggerModule.setup(docsPath, app, () => openApiDocument(app, publicUrl), {
    jsonDocumentUrl: openApiPath,
    raw: ['json'],
    customSiteTitle: 'Perennial API',
    // By default the page sends the URL of the document to a public validator.
    swaggerOptions: { validatorUrl: null, persistAuthorization: false },
  });
}

function operationIdFactory(controller: string, method: string): string {
  return `${controller.replace(/Controller$/, '')}_${method}`;
}

/** The ids of the operations that answer without sign-in. */
function openOperations(app: NestFastifyApplication): ReadonlySet<string> {
  const modules = [...app.get(ModulesContainer).values()];
  const controllers = modules
    .flatMap((module) => [...module.controllers.values()])
    .map(({ metatype }) => metatype as Type<object>);
  return new Set(
    controllers.flatMap(({ name, prototype }) =>
      Object.entries(Object.getOwnPropertyDescriptors(prototype))
        .filter(
          ([, { value }]) => typeof value === 'function' && Reflect.getMetadata(publicKey, value as object) === true,
        )
        .map(([method]) => operationIdFactory(name, method)),
    ),
  );
}

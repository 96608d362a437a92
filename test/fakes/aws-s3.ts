import { createHash, randomUUID } from 'node:crypto';
import type { FakeAws } from './aws.js';
import type { Exchange, Reply } from './stand-in.js';

const bucket = 'certificates';

/** The bucket `certificates`, which keeps versions. */
export function bucketAnswer(exchange: Exchange, objects: FakeAws['objects']): Reply {
  const { method, path, query, headers, bytes } = exchange;
  const [, name, ...parts] = path.split('/');
  const key = decodeURIComponent(parts.join('/'));
  if (name !== bucket) return failed(404, 'NoSuchBucket');
  if ((headers['x-amz-expected-bucket-owner'] ?? '123456789012') !== '123456789012') return failed(403, 'AccessDenied');
  if (key === '' && query.has('versions')) return listed(query.get('prefix') ?? '', objects);
  const versions = objects.get(key) ?? [];
  const versionId = query.get('versionId');
  const found = versionId === null ? versions[0] : versions.find(({ id }) => id === versionId);
  if (method === 'PUT') return written(key, { bytes, headers }, objects);
  if (method === 'GET' && !found) return failed(404, versionId === null ? 'NoSuchKey' : 'NoSuchVersion');
  if (method === 'GET') return found?.bytes ? { status: 200, body: found.bytes } : failed(404, 'NoSuchKey');
  if (method !== 'DELETE') return failed(405, 'MethodNotAllowed');
  const rest = versions.filter(({ id }) => id !== versionId);
  objects.set(key, versionId === null ? [{ id: randomUUID(), bytes: null, headers }, ...versions] : rest);
  return { status: 204 };
}

function written(
  key: string,
  { bytes, headers }: Pick<Exchange, 'bytes' | 'headers'>,
  objects: FakeAws['objects'],
): Reply {
  const digest = createHash('sha256').update(bytes).digest('base64');
  if (headers['x-amz-checksum-sha256'] !== digest) return failed(400, 'BadDigest');
  objects.set(key, [{ id: randomUUID(), bytes, headers }, ...(objects.get(key) ?? [])]);
  return { status: 200 };
}

function listed(prefix: string, objects: FakeAws['objects']): Reply {
  const rows = [...objects]
    .filter(([key]) => key.startsWith(prefix))
    .flatMap(([key, versions]) =>
      versions.map(({ id, bytes }) => {
        const tag = bytes ? 'Version' : 'DeleteMarker';
        return `<${tag}><Key>${key}</Key><VersionId>${id}</VersionId></${tag}>`;
      }),
    );
  return { status: 200, body: `<ListVersionsResult>${rows.join('')}</ListVersionsResult>` };
}

const failed = (status: number, code: string): Reply => ({
  status,
  body: `<Error><Code>${code}</Code><Message>${code}</Message></Error>`,
});

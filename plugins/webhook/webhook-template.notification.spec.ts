import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { FetchRequest } from '../../src/plugin-api/site.js';
import type { Exchange, Reply } from '../../test/fakes/stand-in.js';
import { pluginContext } from '../../test/support/bundles.js';
import { describeChannel, expiring, facts, now, type Shown, urlOf } from '../../test/support/channel-service.js';
import { webhookTemplate } from './webhook-template.notification.js';

const url = 'https://chat.example.org/api/messages?token=Marker-url-token-4f6e';
const bearer = 'Marker-bearer-4f6e';
const secret = 'Marker-signing-secret-4f6e';
const template = `{
  "title": "{{subject}}",
  "body": "{{#each paragraphs}}{{this}} {{/each}}",
  "cards": [{{#each cards}}{{#unless @first}}, {{/unless}}{"name": "{{title}}", "link": "{{url}}",
    "facts": [{{#each facts}}{{#unless @first}}, {{/unless}}"{{label}}: {{value}}"{{/each}}]}{{/each}}]
}`;
const headers = `Authorization: Bearer ${bearer}\r\n\nX-Room: ops`;

const Payload = z.strictObject({
  title: z.string(),
  body: z.string(),
  cards: z.array(z.strictObject({ name: z.string(), link: z.string(), facts: z.array(z.string()) })),
});

/** Some chat. */
function answer({ method, path, query, headers: sent, text, json }: Exchange, taken: Shown[]): Reply {
  if (sent['x-host'] !== 'chat.example.org' || path !== '/api/messages') return { status: 404 };
  if (query.get('token') !== 'Marker-url-token-4f6e' || sent.authorization !== `Bearer ${bearer}`)
    return { status: 403, body: `Not you: ${String(sent.authorization)} ${String(query.get('token'))}` };
  if (method !== 'PUT' || sent['x-room'] !== 'ops' || sent['content-type'] !== 'application/json')
    return { status: 415 };
  const signed = `${String(sent['webhook-id'])}.${String(sent['webhook-timestamp'])}.${text}`;
  if (sent['webhook-signature'] !== `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`)
    return { status: 401 };
  const { title, body, cards } = Payload.parse(json);
  taken.push({
    text: [title, body, ...cards.flatMap(({ name, facts: lines }) => [name, ...lines])].join('\n'),
    links: cards.map(({ link }) => link),
  });
  return { status: 201 };
}

const options = (more: object = {}): z.output<typeof webhookTemplate.options> =>
  webhookTemplate.options.parse({ url, method: 'PUT', body: template, headers, secret, ...more });

describeChannel('webhook-template', {
  plugin: webhookTemplate,
  options: options(),
  wrong: options({ headers: 'Authorization: Bearer Marker-wrong-4f6e\nX-Room: ops' }),
  secrets: [bearer, 'Marker-wrong-4f6e', 'Marker-url-token-4f6e', secret],
  answer,
});

/** What is sent of a message about certificates of these names. */
async function sent(given: object, ...names: string[]): Promise<FetchRequest> {
  const requests: FetchRequest[] = [];
  const fetch: PluginContext['site']['fetch'] = (address, request = {}) => {
    requests.push(request);
    return Promise.resolve({ status: 200, headers: {}, body: Buffer.alloc(0), url: new URL(address) });
  };
  const message = expiring(...names.map((commonName, i) => facts(i + 1, { commonName })));
  await webhookTemplate.send(message, webhookTemplate.options.parse({ url, ...given }), {
    ...pluginContext({ fetch }),
    now: () => now,
  });
  return requests[0] ?? {};
}

describe('a template', () => {
  const hostile = 'a"}],"x":[{"b&c=d</e><!--\\ \u2028 \' {{subject}}';

  it('is the whole message as JSON unless it is given', async () => {
    const { body, method, headers: sentHeaders } = await sent({}, hostile);
    expect([method, Object.keys(sentHeaders ?? {})]).toEqual(['POST', ['content-type']]);
    expect(JSON.parse(String(body))).toMatchObject({
      event: 'certificate.expiring',
      severity: 'warning',
      cards: [
        {
          url: urlOf(1),
          facts: expect.arrayContaining([{ label: 'Common name', value: expect.any(String) }]) as unknown,
        },
      ],
      data: { certificates: [{ id: 1, commonName: hostile, notAfter: '2026-03-13T12:30:00.000Z' }] },
      timestamp: now.toISOString(),
    });
  });

  it('holds a name in its place in a form', async () => {
    const body = 'name={{data.certificates.[0].commonName}}&all={{json}}';
    const { body: form, headers: sentHeaders } = await sent({ format: 'form', body }, `${hostile}\ud800`);
    const read = new URLSearchParams(String(form));
    expect([...read.keys()]).toEqual(['name', 'all']);
    expect(read.get('name')).toBe(`${hostile}\ufffd`);
    expect(JSON.parse(read.get('all') ?? '')).toMatchObject({ event: 'certificate.expiring' });
    expect(sentHeaders).toMatchObject({ 'content-type': 'application/x-www-form-urlencoded' });
  });

  it('holds a name in its place in XML', async () => {
    const body = '<m><n a="{{data.certificates.[0].commonName}}">{{data.certificates.[0].commonName}}</n></m>';
    const { body: xml } = await sent({ format: 'xml', body }, `${hostile}\u0001`);
    expect(String(xml).replaceAll(/&#\d+;/g, '')).toMatch(/^<m><n a="[^<>"&]*">[^<>"&]*<\/n><\/m>$/);
  });

  it('is text as it is', async () => {
    const { body, headers: sentHeaders } = await sent(
      { format: 'text', body: '{{data.certificates.[0].commonName}}' },
      hostile,
    );
    expect(body).toBe(hostile);
    expect(sentHeaders).toMatchObject({ 'content-type': 'text/plain; charset=utf-8' });
  });

  it('walks over all certificates', async () => {
    const body = '{{#each data.certificates}}{{commonName}}{{#unless @last}},{{/unless}}{{/each}}';
    expect((await sent({ format: 'text', body }, 'a.example', 'b.example')).body).toBe('a.example,b.example');
  });

  it('reaches nothing but the message', async () => {
    const body = '[{{constructor}}{{subject.constructor}}{{__proto__}}{{data.toString}}{{@root.env}}]';
    expect((await sent({ format: 'text', body }, 'a.example')).body).toBe('[]');
  });

  it.each([
    ['{{#each cards}}', 'cannot be read'],
    ['{{nonsense subject}}', 'cannot be read'],
    ['{{lookup this "x"}}', 'cannot be read'],
    ['{"title": {{subject}} }', 'makes no JSON'],
    ['{"title": "{{subject}}}', "got 'CLOSE_UNESCAPED'"],
    ['{"a": [{{#each cards}}"{{title}}",{{/each}}]}', 'makes no JSON'],
    ['{"a": [{{#each cards}}"{{title}}"{{/each}}]}', 'makes no JSON'],
    ['{"a": [{{#each incidents}}"{{key}}"{{/each}}]}', 'makes no JSON'],
    ['{"a": "{{#each cards}}{{#each ../cards}}x{{/each}}{{/each}}"}', 'a loop within a loop'],
    ['{"a": "{{#*inline \'x\'}}{{> x}}{{/inline}}"}', 'partials'],
  ])('%s is refused when the channel is written', (body, words) => {
    const { error } = webhookTemplate.options.safeParse({ url, body });
    expect(error?.issues).toMatchObject([{ path: ['body'], message: expect.stringContaining(words) as unknown }]);
  });
});

it.each([
  'Authorization',
  'Content-Type: text/plain',
  'Host: evil.example',
  'webhook-signature: v1,x',
  'Transfer-Encoding: chunked',
  'X-A: grün',
  'X A: b',
  'X-A: b\u0000',
  Array.from({ length: 21 }, (_, i) => `X-${i}: 1`).join('\n'),
])('the headers %j are refused', (given) => {
  expect(webhookTemplate.options.safeParse({ url, headers: given }).success).toBe(false);
});

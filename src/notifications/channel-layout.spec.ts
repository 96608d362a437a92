import { describe, expect, it } from 'vitest';
import { ChannelLayout, inLayout } from './channel-layout.js';
import { renderMessage } from './message-layout.js';

const message = renderMessage({
  subject: 'www.example.org expires in 12 days',
  heading: 'A certificate expires',
  paragraphs: ['Renew what is still needed.'],
  cards: [{ title: '<b>www</b>', url: 'https://pki.example.org/1', facts: [['Owner', 'web@example.org']] }],
});
const faultsOf = (layout: object): string[] =>
  ChannelLayout.safeParse(layout).error?.issues.map(({ path }) => path.join('.')) ?? [];

describe('the layout of a channel', () => {
  it('changes name, colour, words and subject in the plain text and in the HTML', () => {
    const layout = ChannelLayout.parse({
      productName: 'Example PKI',
      subjectPrefix: '[PKI]',
      intro: 'Sent to you as the owner.',
      footer: 'Questions: pki@example.org',
      color: '#aa0000',
    });
    const { subject, text, html } = inLayout(message, layout);
    expect(subject).toBe('[PKI] www.example.org expires in 12 days');
    for (const part of [text, html])
      expect(['Sent to you as the owner.', 'Questions: pki@example.org'].filter((one) => !part.includes(one))).toEqual(
        [],
      );
    expect(html).toContain('border-top:4px solid #aa0000');
    expect(inLayout(message, { productName: 'Example PKI' }).text).toContain('Sent by Example PKI.');
    expect(html + text).not.toContain('Perennial');
    expect(text).toMatch(/^A certificate expires\n\nSent to you as the owner\.\n\nRenew what is still needed\.\n/);
  });

  it('leaves a message without one as it is', () => {
    expect(inLayout(message, {})).toBe(message);
  });

  it('fills in templates of its own, in which values of the HTML are escaped', () => {
    const layout = ChannelLayout.parse({
      text: '{{subject}}|{{#each cards}}{{title}}:{{#each facts}}{{label}}={{value}}{{/each}}{{/each}}',
      html: '<p>{{heading}}</p>{{#each cards}}<i>{{title}}</i>{{/each}}',
    });
    const { text, html } = inLayout(message, layout);
    expect(text).toBe('www.example.org expires in 12 days|<b>www</b>:Owner=web@example.org');
    expect(html).toBe('<p>A certificate expires</p><i>&lt;b&gt;www&lt;/b&gt;</i>');
  });

  it.each([
    [{ html: '{{#each cards}}' }, 'html'],
    [{ text: '{{nobodyKnows}}' }, 'text'],
    [{ text: '{{lookup this "constructor"}}' }, 'text'],
    [{ text: '{{cards.[0].title}}' }, 'text'],
    [{ html: '<p>{{{heading}}}</p>' }, 'html'],
    [{ html: '{{#each cards}}{{&title}}{{/each}}' }, 'html'],
    [{ text: '{{#*inline "x"}}{{> x}}{{> x}}{{/inline}}{{> x}}' }, 'text'],
    [{ text: '{{#each cards}}{{#each ../cards}}x{{/each}}{{/each}}' }, 'text'],
    [{ text: '{{#cards}}{{#with @root}}{{#cards}}x{{/cards}}{{/with}}{{/cards}}' }, 'text'],
    [{ text: '{{#with this as |all|}}{{#each cards}}{{#each all.cards}}x{{/each}}{{/each}}{{/with}}' }, 'text'],
    [{ color: 'red' }, 'color'],
    [{ footer: 'two\nlines' }, 'footer'],
  ])('is refused as %j', (layout, field) => {
    expect(faultsOf(layout)).toEqual([field]);
  });

  it.each([
    '{{{heading}}}',
    '{{#each cards}}{{#if ../intro}}{{@index}}{{/if}}{{#each facts}}{{../title}}{{/each}}{{/each}}',
  ])('takes the plain text %j', (text) => {
    expect(faultsOf({ text })).toEqual([]);
  });

  it('sends a message in the usual layout when a stored template cannot be filled in', () => {
    const broken = { text: '{{#each cards}}', productName: 'Example PKI' };
    expect(inLayout(message, broken)).toEqual(inLayout(message, { productName: 'Example PKI' }));
  });
});

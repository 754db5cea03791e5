import fc from 'fast-check';
import { exchanges } from '@writ/contracts';
import type { OutboxRow } from './outbox.js';
import { pack } from './pack.js';

let id = 0;
const row = (routing_key: string, subject: string, bytes = 100): OutboxRow => ({
  id: String(++id), event_id: `evt_${id}`, exchange: exchanges.events, routing_key, subject, body: 'x'.repeat(bytes), partition: 0, n: '1',
});
const outcome = (subject: string): OutboxRow => ({ ...row('ci.token.issued', subject), exchange: exchanges.outcomes, partition: null, n: null });
const routed = (rows: OutboxRow[]) => pack(rows).map((each) => `${each.routingKey}: ${each.rows.map(({ subject }) => subject).join(' ')}`);

it('puts events of one type into one message', () => {
  expect(routed([row('a', '1'), row('b', '2'), row('a', '3'), row('b', '4')])).toEqual(['a: 1 3', 'b: 2 4']);
});

it('starts another message rather than let an event overtake an earlier one of its subject', () => {
  expect(routed([row('a', '1'), row('b', '2'), row('a', '2')])).toEqual(['a: 1', 'b: 2', 'a: 2']);
});

it('leaves outcomes alone', () => {
  expect(routed([outcome('1'), outcome('2')])).toEqual(['ci.token.issued: 1', 'ci.token.issued: 2']);
});

it('fills a message up to its size', () => {
  expect(pack(Array.from({ length: 3 }, (_, i) => row('a', String(i), 12_000))).map(({ rows }) => rows.length)).toEqual([2, 1]);
  expect(pack(Array.from({ length: 100 }, (_, i) => row('a', String(i)))).map(({ rows }) => rows.length)).toEqual([16, 16, 16, 16, 16, 16, 4]);
});

it('sends every event once, and those of a subject in their order, whatever was said', () => {
  const said = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('1', '2', '3', '4'), fc.boolean()), { maxLength: 80 });
  fc.assert(fc.property(said, (events) => {
    const rows = events.map(([key, subject, told]) => (told ? outcome(subject) : row(key, subject)));
    const sent = pack(rows).flatMap((each) => {
      expect(new Set(each.rows.map(({ routing_key }) => routing_key))).toEqual(new Set([each.routingKey]));
      return each.rows;
    });
    expect(sent.toSorted((a, b) => Number(a.id) - Number(b.id))).toEqual(rows);
    for (const subject of ['1', '2', '3', '4']) {
      const of = (all: OutboxRow[]) => all.filter((each) => each.subject === subject);
      expect(of(sent)).toEqual(of(rows));
    }
  }));
});

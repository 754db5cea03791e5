import fc from 'fast-check';
import { basicOf } from './basic.js';

const headerOf = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;
/** As `application/x-www-form-urlencoded` writes it. */
const encoded = (text: string) => new URLSearchParams([['', text]]).toString().slice(1);
const text = fc.string({ unit: 'grapheme' }).map((each) => each.toWellFormed());

describe('Basic credentials', () => {
  it('are read as RFC 6749 writes them, for every name and secret', () => {
    fc.assert(fc.property(text.filter((name) => name !== ''), text, (clientId, secret) => {
      expect(basicOf(headerOf(`${encoded(clientId)}:${encoded(secret)}`))).toEqual({ clientId, secret });
    }));
  });

  it('that were never form-encoded are read as they stand', () => {
    expect(basicOf(headerOf('orders-api:100%'))).toEqual({ clientId: 'orders-api', secret: '100%' });
  });

  it('are none in any other header, and no header is an accident', () => {
    for (const header of ['', 'Basic', 'Basic ', 'Bearer eDp5', headerOf('nocolon'), headerOf(':secret')]) expect(basicOf(header)).toBeUndefined();
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }).map((rest) => `Basic ${rest}`), fc.uint8Array().map((bytes) => headerOf(Buffer.from(bytes).toString('latin1')))), (header) => { basicOf(header); }));
  });
});

// SFrame against the vectors of RFC 9605.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeHeader, deriveFrameKey, encodeHeader, open, seal } from '../../signaling/web/static/e2ee/sframe.js';
import { AES_128_GCM_SHA256_128 as VECTOR, HEADERS } from './sframe_vectors.mjs';

const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
const toHex = (bytes) => Buffer.from(bytes).toString('hex');

test('headers are encoded and decoded as in RFC 9605', () => {
  assert.equal(HEADERS.length, 7 * 17);
  for (const [keyId, counter, encoded] of HEADERS) {
    assert.equal(toHex(encodeHeader(keyId, counter)), encoded);
    const bytes = Uint8Array.from([...fromHex(encoded), 0xaa]);
    assert.deepEqual(decodeHeader(bytes), { keyId, counter, length: encoded.length / 2 });
  }
});

test('every header that is cut short is refused', () => {
  for (const [, , encoded] of HEADERS) {
    const bytes = fromHex(encoded);
    for (let size = 0; size < bytes.length; size += 1) assert.equal(decodeHeader(bytes.subarray(0, size)), null);
  }
});

test('the case of AES_128_GCM_SHA256_128 seals to the published ciphertext and opens again', async () => {
  const baseKey = fromHex(VECTOR.baseKey);
  const metadata = fromHex(VECTOR.metadata);
  const sealing = await deriveFrameKey(baseKey, VECTOR.keyId, 'encrypt');
  assert.equal(toHex(sealing.salt), VECTOR.salt);

  const { header, sealed } = await seal(sealing, VECTOR.counter, metadata, fromHex(VECTOR.plaintext));
  assert.equal(toHex(header) + toHex(sealed), VECTOR.ciphertext);

  const opening = await deriveFrameKey(baseKey, VECTOR.keyId, 'decrypt');
  const bytes = fromHex(VECTOR.ciphertext);
  assert.equal(toHex(await open(opening, decodeHeader(bytes), metadata, bytes)), VECTOR.plaintext);
});

test('a change of any bit of header, ciphertext, tag or metadata is noticed', async () => {
  const opening = await deriveFrameKey(fromHex(VECTOR.baseKey), VECTOR.keyId, 'decrypt');
  const metadata = fromHex(VECTOR.metadata);
  const bytes = fromHex(VECTOR.ciphertext);
  const header = decodeHeader(bytes);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3] ^= 1 << (bit & 7);
    await assert.rejects(open(opening, header, metadata, changed), `bit ${bit}`);
  }
  const other = Uint8Array.from(metadata);
  other[0] ^= 1;
  await assert.rejects(open(opening, header, other, bytes));
});

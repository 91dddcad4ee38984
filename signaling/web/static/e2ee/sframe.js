// SFrame (RFC 9605) with the cipher suite AES_128_GCM_SHA256_128: header, key derivation, sealing and
// opening of one frame. Knows no codec, no sender and no counter: frame_cipher.js does.

const CIPHER_SUITE = 0x0004;
const KEY_BYTES = 16;
const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
/** Configuration byte, key id and counter of eight bytes each. */
export const MAX_HEADER_BYTES = 17;

const EXTENDED_KEY_ID = 0x80;
const EXTENDED_COUNTER = 0x08;
const text = new TextEncoder();

/** @typedef {{ keyId: bigint, counter: bigint, length: number }} Header */
/** @typedef {{ keyId: bigint, key: CryptoKey, salt: Uint8Array }} FrameKey */

/**
 * RFC 9605 §4.3: `X KKK Y CCC`, then the key id and the counter if they do not fit into three bits.
 * @param {bigint} keyId @param {bigint} counter Both below 2⁶⁴.
 * @returns {Uint8Array}
 */
export function encodeHeader(keyId, counter) {
  const keyIdBytes = keyId < 8n ? [] : minimalBytes(keyId);
  const counterBytes = counter < 8n ? [] : minimalBytes(counter);
  const keyIdField = keyIdBytes.length === 0 ? Number(keyId) : 8 | (keyIdBytes.length - 1);
  const counterField = counterBytes.length === 0 ? Number(counter) : 8 | (counterBytes.length - 1);
  return Uint8Array.of((keyIdField << 4) | counterField, ...keyIdBytes, ...counterBytes);
}

/** @param {Uint8Array} bytes @returns {Header | null} Null: too short. */
export function decodeHeader(bytes) {
  const [config] = bytes;
  if (config === undefined) return null;
  let keyId = BigInt((config >> 4) & 7);
  let counter = BigInt(config & 7);
  let length = 1;
  if ((config & EXTENDED_KEY_ID) !== 0) {
    const size = Number(keyId) + 1;
    keyId = readNumber(bytes, length, size);
    length += size;
  }
  if ((config & EXTENDED_COUNTER) !== 0) {
    const size = Number(counter) + 1;
    counter = readNumber(bytes, length, size);
    length += size;
  }
  return length > bytes.length ? null : { keyId, counter, length };
}

/**
 * RFC 9605 §4.4.2. One key either seals or opens.
 * @param {Uint8Array} baseKey @param {bigint} keyId @param {'encrypt' | 'decrypt'} usage
 * @returns {Promise<FrameKey>}
 */
export async function deriveFrameKey(baseKey, keyId, usage) {
  // HKDF-Expand's input is the extracted secret; WebCrypto does both steps, with the empty salt.
  const secret = await crypto.subtle.importKey('raw', copy(baseKey), 'HKDF', false, ['deriveBits']);
  const derive = async (/** @type {string} */ label, /** @type {number} */ size) => {
    const info = keyLabel(label, keyId);
    const parameters = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info };
    return new Uint8Array(await crypto.subtle.deriveBits(parameters, secret, size * 8));
  };
  const keyBytes = await derive('SFrame 1.0 Secret key ', KEY_BYTES);
  const salt = await derive('SFrame 1.0 Secret salt ', NONCE_BYTES);
  const key = await crypto.subtle.importKey('raw', copy(keyBytes), 'AES-GCM', false, [usage]);
  keyBytes.fill(0);
  return { keyId, key, salt };
}

/**
 * RFC 9605 §4.4.3. Never give the same counter twice for one key.
 * @param {FrameKey} frameKey @param {bigint} counter @param {Uint8Array} metadata Authenticated, not carried.
 * @param {Uint8Array} plaintext
 * @returns {Promise<{ header: Uint8Array, sealed: Uint8Array }>}
 */
export async function seal(frameKey, counter, metadata, plaintext) {
  const header = encodeHeader(frameKey.keyId, counter);
  const parameters = gcm(frameKey.salt, counter, header, metadata);
  const sealed = await crypto.subtle.encrypt(parameters, frameKey.key, copy(plaintext));
  return { header, sealed: new Uint8Array(sealed) };
}

/**
 * RFC 9605 §4.4.4. `bytes` begins with the header. Throws if anything was changed on the way.
 * @param {FrameKey} frameKey @param {Header} header @param {Uint8Array} metadata @param {Uint8Array} bytes
 * @returns {Promise<Uint8Array>}
 */
export async function open(frameKey, header, metadata, bytes) {
  const parameters = gcm(frameKey.salt, header.counter, bytes.subarray(0, header.length), metadata);
  const sealed = copy(bytes.subarray(header.length));
  return new Uint8Array(await crypto.subtle.decrypt(parameters, frameKey.key, sealed));
}

/** @param {Uint8Array} salt @param {bigint} counter @param {Uint8Array} header @param {Uint8Array} metadata */
function gcm(salt, counter, header, metadata) {
  const iv = copy(salt);
  const view = new DataView(iv.buffer);
  view.setBigUint64(NONCE_BYTES - 8, view.getBigUint64(NONCE_BYTES - 8) ^ counter);
  return { name: 'AES-GCM', iv, additionalData: concat(header, metadata), tagLength: TAG_BYTES * 8 };
}

/** @param {string} label @param {bigint} keyId */
function keyLabel(label, keyId) {
  const numbers = new DataView(new ArrayBuffer(10));
  numbers.setBigUint64(0, keyId);
  numbers.setUint16(8, CIPHER_SUITE);
  return concat(text.encode(label), new Uint8Array(numbers.buffer));
}

/** @param {...Uint8Array} parts @returns {Uint8Array<ArrayBuffer>} */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {Uint8Array} bytes @returns {Uint8Array<ArrayBuffer>} With a buffer of its own. */
export function copy(bytes) {
  return new Uint8Array(bytes);
}

/** @param {bigint} value @returns {number[]} Big endian, without leading zeros. */
function minimalBytes(value) {
  const bytes = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 0xffn));
  return bytes;
}

/** @param {Uint8Array} bytes @param {number} start @param {number} size */
function readNumber(bytes, start, size) {
  let value = 0n;
  for (const byte of bytes.subarray(start, start + size)) value = (value << 8n) | BigInt(byte);
  return value;
}

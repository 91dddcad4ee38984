// One pair of participants: hello with a key and a commitment, reveal, a secret that both share, a code
// that both read aloud. Pure but for WebCrypto: what to answer is returned.

import { concat, copy } from './sframe.js';

/** @typedef {Record<string, unknown>} Message */
/** @typedef {{ publicKey: Uint8Array, commitment: Uint8Array }} Hello */
/** @typedef {{ room: string, self: string, other: string, privateKey: CryptoKey, publicKey: Uint8Array }} PairOptions */

const NAME = 'Synedrion E2EE v1';
/** Uncompressed point (SEC 1 §2.3.3). */
const PUBLIC_KEY_BYTES = 65;
const HASH_BYTES = 32;
const NONCE_BYTES = 16;
const SECRET_BYTES = 32;
const TAG_BYTES = 16;
/** Twelve digits: who guesses is right once in 10¹². */
const CODE_DIGITS = 12;
const DIGITS_PER_GROUP = 3;
/** Key ids are four times as many: they fit into four bytes of each frame. */
export const MAX_SET_ID = 2 ** 30;
/** LIMIT: secrets sealed for one other participant. */
const MAX_SECRETS = 2 ** 31;

const text = new TextEncoder();

export class Pair {
  /** To compare aloud; null until the pair is done. @type {string | null} */
  code = null;
  /** Whether the other's keys for frames have come. */
  hasSecret = false;
  attempts = 0;
  /** @type {Hello | null} */
  #theirs = null;
  /** @type {{ seal: CryptoKey, open: CryptoKey } | null} */
  #wrapping = null;
  #sealed = 0;
  #opened = 0;

  /** @param {PairOptions} options @param {Uint8Array} nonce @param {Uint8Array} commitment */
  constructor(options, nonce, commitment) {
    this.options = options;
    this.other = options.other;
    this.nonce = nonce;
    this.commitment = commitment;
  }

  /** @param {PairOptions} options */
  static async make(options) {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const { room, self, other, publicKey } = options;
    return new Pair(options, nonce, await commit({ room, from: self, to: other, publicKey, nonce }));
  }

  /** @param {boolean} wantsReply @returns {Message} */
  hello(wantsReply) {
    return { t: 'hello', k: encode(this.options.publicKey), c: encode(this.commitment), r: wantsReply };
  }

  /** @param {Message} message @returns {Promise<{ replies: Message[], isConflict: boolean }>} */
  async handle(message) {
    if (message['t'] === 'hello') return this.#handleHello(message);
    if (message['t'] === 'reveal') return { replies: [], isConflict: !(await this.#handleReveal(message)) };
    return { replies: [], isConflict: false };
  }

  /** @param {Message} message */
  #handleHello(message) {
    const publicKey = decode(message['k'], PUBLIC_KEY_BYTES);
    const commitment = decode(message['c'], HASH_BYTES);
    if (publicKey === null || commitment === null) return { replies: [], isConflict: true };
    this.#theirs ??= { publicKey, commitment };
    // The first word counts: whoever swaps a key later changes nothing.
    if (!areEqual(publicKey, this.#theirs.publicKey) || !areEqual(commitment, this.#theirs.commitment)) {
      return { replies: [], isConflict: true };
    }
    // Only now: who has not committed yet must not see the nonce that decides the code.
    const reveal = { t: 'reveal', n: encode(this.nonce) };
    return { replies: message['r'] === true ? [this.hello(false), reveal] : [reveal], isConflict: false };
  }

  /** @param {Message} message @returns {Promise<boolean>} False: it is not what was committed to. */
  async #handleReveal(message) {
    const nonce = decode(message['n'], NONCE_BYTES);
    if (this.#theirs === null || this.code !== null) return true;
    const { room, self, other, publicKey } = this.options;
    const theirs = { room, from: other, to: self, publicKey: this.#theirs.publicKey, nonce: nonce ?? new Uint8Array() };
    if (nonce === null || !areEqual(await commit(theirs), this.#theirs.commitment)) return false;
    const shared = await this.#agree(this.#theirs.publicKey);
    if (shared === null) return false;
    const ends = [
      { id: self, publicKey, nonce: this.nonce },
      { id: other, publicKey: this.#theirs.publicKey, nonce },
    ].sort((a, b) => (a.id < b.id ? -1 : 1));
    const transcript = await hash('transcript', text.encode(room), ...ends.flatMap((end) => [text.encode(end.id), end.publicKey, end.nonce]));
    this.#wrapping = {
      seal: await deriveWrapping(shared, transcript, [self, other], 'encrypt'),
      open: await deriveWrapping(shared, transcript, [other, self], 'decrypt'),
    };
    this.code = codeOf(await hash('code', transcript));
    return true;
  }

  /** @param {{ setId: number, secret: Uint8Array }} own @returns {Promise<Message>} */
  async sealSecret({ setId, secret }) {
    if (this.#wrapping === null || this.#sealed >= MAX_SECRETS) throw new Error('invariant: the pair is done');
    this.#sealed += 1;
    const parameters = wrapParameters(this.#sealed, setId);
    const box = await crypto.subtle.encrypt(parameters, this.#wrapping.seal, copy(secret));
    return { t: 'secret', n: this.#sealed, s: setId, b: encode(new Uint8Array(box)) };
  }

  /** @param {Message} message @returns {Promise<{ setId: number, secret: Uint8Array } | null>} */
  async openSecret(message) {
    const { n: number, s: setId } = message;
    const box = decode(message['b'], SECRET_BYTES + TAG_BYTES);
    const isWellFormed = isCount(number) && isCount(setId) && setId < MAX_SET_ID && box !== null;
    if (this.#wrapping === null || !isWellFormed || number <= this.#opened) return null;
    try {
      const parameters = wrapParameters(number, setId);
      const secret = await crypto.subtle.decrypt(parameters, this.#wrapping.open, copy(box));
      this.#opened = number;
      return { setId, secret: new Uint8Array(secret) };
    } catch {
      return null;
    }
  }

  /** @param {Uint8Array} theirs @returns {Promise<CryptoKey | null>} Null: not a point of the curve. */
  async #agree(theirs) {
    if (areEqual(theirs, this.options.publicKey)) return null;
    try {
      const algorithm = { name: 'ECDH', namedCurve: 'P-256' };
      const key = await crypto.subtle.importKey('raw', copy(theirs), algorithm, false, []);
      const bits = await crypto.subtle.deriveBits({ name: 'ECDH', public: key }, this.options.privateKey, 256);
      return await crypto.subtle.importKey('raw', bits, 'HKDF', false, ['deriveKey']);
    } catch {
      return null;
    }
  }
}

/** @param {{ room: string, from: string, to: string, publicKey: Uint8Array, nonce: Uint8Array }} facts */
function commit({ room, from, to, publicKey, nonce }) {
  return hash('commitment', text.encode(room), text.encode(from), text.encode(to), publicKey, nonce);
}

/** SHA-256 over what for and parts with their lengths: no two lists of parts look alike.
 * @param {string} purpose @param {...Uint8Array} parts */
async function hash(purpose, ...parts) {
  const whole = withLengths([text.encode(`${NAME} ${purpose}`), ...parts]);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
}

/** @param {readonly Uint8Array[]} parts */
function withLengths(parts) {
  return concat(...parts.flatMap((part) => [Uint8Array.of(part.length >> 8, part.length & 0xff), part]));
}

/** @param {CryptoKey} shared @param {Uint8Array} transcript @param {[string, string]} direction @param {'encrypt' | 'decrypt'} usage */
function deriveWrapping(shared, transcript, [from, to], usage) {
  const info = withLengths([text.encode(`${NAME} wrapping`), text.encode(from), text.encode(to)]);
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: copy(transcript), info };
  return crypto.subtle.deriveKey(parameters, shared, { name: 'AES-GCM', length: 256 }, false, [usage]);
}

/** The number is used once for a direction's key, so it may be the nonce. @param {number} number @param {number} setId */
function wrapParameters(number, setId) {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setBigUint64(4, BigInt(number));
  const additionalData = new Uint8Array(8);
  new DataView(additionalData.buffer).setBigUint64(0, BigInt(setId));
  return { name: 'AES-GCM', iv, additionalData };
}

/** @param {Uint8Array} digest */
function codeOf(digest) {
  const number = new DataView(digest.buffer).getBigUint64(0) % 10n ** BigInt(CODE_DIGITS);
  const digits = number.toString().padStart(CODE_DIGITS, '0');
  return digits.match(new RegExp(`.{${DIGITS_PER_GROUP}}`, 'g'))?.join(' ') ?? digits;
}

/** @param {Uint8Array} bytes */
function encode(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** @param {unknown} value @param {number} size @returns {Uint8Array | null} */
function decode(value, size) {
  if (typeof value !== 'string' || value.length > 4 * size) return null;
  try {
    const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
    return bytes.length === size ? bytes : null;
  } catch {
    return null;
  }
}

/** @param {Uint8Array} a @param {Uint8Array} b Public values: timing tells nothing. */
function areEqual(a, b) {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** @param {unknown} value @returns {value is number} */
function isCount(value) {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

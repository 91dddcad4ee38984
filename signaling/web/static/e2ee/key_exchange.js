// Agrees on keys with every other participant, two by two, through a server that is not trusted:
// P-256, commitments, a code to compare aloud, then random keys for frames. Sans-IO but for WebCrypto:
// messages in by `handleMessage`, out by `send`. docs/end-to-end-encryption.md says why each step is there.

import { MAX_SET_ID, Pair } from './pair.js';

/** A pair that is not done yet begins again. */
const RETRY_MS = 2000;
/** LIMIT: attempts at one pair; then only a resume or a new participant helps. */
const MAX_ATTEMPTS = 30;
/** How long to wait until everybody has the new key before using it. */
const CONFIRMATION_MS = 1000;
const SECRET_BYTES = 32;
/** LIMIT: former participants remembered. */
const MAX_FORMER_PAIRS = 64;
const MAX_PAYLOAD_CHARACTERS = 1024;

/**
 * @typedef {object} ExchangeOptions
 * @property {string} room
 * @property {string} self  Own participant id.
 * @property {(participant: string, payload: string) => void} send
 */

/**
 * Events (CustomEvent, value in `detail`): `seal_with` {setId, secret}, `stop_sealing`,
 * `open_with` {participant, setId, secret}, `forget` {participant}, `codes` (see `codes`),
 * `conflict` {participant}: somebody's keys changed or do not fit. They are not used.
 */
export class KeyExchange extends EventTarget {
  /** Who is in the room. @type {Map<string, Pair>} */
  #pairs = new Map();
  /** Who was: an id that comes back (the media worker restarted) is the same page. @type {Map<string, Pair>} */
  #formerPairs = new Map();
  /** @type {CryptoKeyPair | null} */
  #keys = null;
  #publicKey = new Uint8Array();
  /** The newest own keys: perhaps not used yet. @type {{ setId: number, secret: Uint8Array } | null} */
  #own = null;
  /** Who has not confirmed them. @type {Set<string>} */
  #unconfirmed = new Set();
  #isChangingKeys = false;
  #wantsOtherKeys = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #confirmationTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  #isClosed = false;
  /** Everything that awaits is done in turn. */
  #doing = Promise.resolve();

  /** @param {ExchangeOptions} options */
  constructor(options) {
    super();
    this.options = options;
    void this.#inTurn(async () => {
      const algorithm = { name: 'ECDH', namedCurve: 'P-256' };
      this.#keys = await crypto.subtle.generateKey(algorithm, false, ['deriveBits']);
      this.#publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', this.#keys.publicKey));
    });
  }

  /** Codes to compare, by participant; only of pairs that are done. @returns {Map<string, string>} */
  get codes() {
    return new Map([...this.#pairs].flatMap(([id, { code }]) => (code === null ? [] : [[id, code]])));
  }

  /** Everything asked for so far is done. For tests. */
  get settled() {
    return this.#doing;
  }

  /** Who else is in the room now and encrypts. @param {readonly string[]} others */
  handleParticipants(others) {
    return this.#inTurn(async () => {
      const gone = [...this.#pairs.keys()].filter((id) => !others.includes(id));
      for (const id of gone) this.#part(id);
      const come = others.filter((id) => !this.#pairs.has(id));
      for (const id of come) await this.#begin(id);
      const isKnown = come.some((id) => this.#pairs.get(id)?.code !== null);
      if (gone.length === 0 && !isKnown) return;
      this.#emit('codes');
      await this.#changeKeys();
      await this.#useIfConfirmed();
    });
  }

  /** @param {string} from Who, as the server says. @param {string} payload */
  handleMessage(from, payload) {
    return this.#inTurn(async () => {
      const pair = this.#pairs.get(from);
      const message = parse(payload);
      if (pair === undefined || message === null) return;
      if (message['t'] === 'sync') return this.#answerSync(pair);
      if (message['t'] === 'ack') return this.#handleConfirmation(from, message['s']);
      if (message['t'] === 'secret') return this.#handleSecret(pair, message);
      const wasDone = pair.code !== null;
      const { replies, isConflict } = await pair.handle(message);
      for (const reply of replies) this.#send(from, reply);
      if (isConflict) this.#emit('conflict', { participant: from });
      if (wasDone || pair.code === null) return;
      this.#emit('codes');
      // A newcomer must not open what was sent before it came.
      await this.#changeKeys();
    });
  }

  /** The socket was lost for a while, and perhaps messages with it. */
  handleResumed() {
    return this.#inTurn(async () => {
      for (const [id, pair] of this.#pairs) {
        pair.attempts = 0;
        this.#ask(id, pair);
      }
      this.#scheduleRetry();
    });
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#confirmationTimer);
    clearTimeout(this.#retryTimer);
    this.#own?.secret.fill(0);
    this.#own = null;
    this.#pairs.clear();
  }

  /** @param {string} id */
  #part(id) {
    const pair = this.#pairs.get(id);
    this.#pairs.delete(id);
    this.#unconfirmed.delete(id);
    this.#emit('forget', { participant: id });
    if (pair !== undefined && this.#formerPairs.size < MAX_FORMER_PAIRS) this.#formerPairs.set(id, pair);
  }

  /** @param {string} id */
  async #begin(id) {
    if (this.#keys === null) throw new Error('invariant: the own key is made first');
    const { room, self } = this.options;
    const options = { room, self, other: id, privateKey: this.#keys.privateKey, publicKey: this.#publicKey };
    const pair = this.#formerPairs.get(id) ?? (await Pair.make(options));
    this.#formerPairs.delete(id);
    pair.attempts = 0;
    pair.hasSecret = false;
    this.#pairs.set(id, pair);
    this.#ask(id, pair);
    this.#scheduleRetry();
  }

  /** @param {string} id @param {Pair} pair Ask for what is missing. */
  #ask(id, pair) {
    pair.attempts += 1;
    this.#send(id, pair.code === null ? pair.hello(true) : { t: 'sync' });
  }

  /** @param {Pair} pair */
  async #answerSync(pair) {
    if (pair.code === null) this.#send(pair.other, pair.hello(true));
    else if (this.#own !== null) await this.#sendSecret(pair, this.#own);
  }

  /** @param {Pair} pair @param {Record<string, unknown>} message */
  async #handleSecret(pair, message) {
    const opened = await pair.openSecret(message);
    if (opened === null) return;
    pair.hasSecret = true;
    this.#emit('open_with', { participant: pair.other, ...opened });
    this.#send(pair.other, { t: 'ack', s: opened.setId });
  }

  /** New random keys for those who are here now, and for nobody else. */
  async #changeKeys() {
    if (this.#isChangingKeys) {
      this.#wantsOtherKeys = true;
      return;
    }
    const pairs = [...this.#pairs.values()].filter(({ code }) => code !== null);
    if (pairs.length === 0) {
      this.#own = null;
      this.#emit('stop_sealing');
      return;
    }
    const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
    const own = { setId: randomSetId(), secret };
    this.#own = own;
    this.#isChangingKeys = true;
    this.#unconfirmed = new Set(pairs.map(({ other }) => other));
    for (const pair of pairs) await this.#sendSecret(pair, own);
    this.#confirmationTimer = setTimeout(() => void this.#inTurn(() => this.#useKeys()), CONFIRMATION_MS);
  }

  /** @param {Pair} pair @param {{ setId: number, secret: Uint8Array }} own */
  async #sendSecret(pair, own) {
    this.#send(pair.other, await pair.sealSecret(own));
  }

  /** @param {string} from @param {unknown} setId */
  async #handleConfirmation(from, setId) {
    if (setId !== this.#own?.setId) return;
    this.#unconfirmed.delete(from);
    await this.#useIfConfirmed();
  }

  async #useIfConfirmed() {
    if (this.#isChangingKeys && this.#unconfirmed.size === 0) await this.#useKeys();
  }

  async #useKeys() {
    if (!this.#isChangingKeys) return;
    clearTimeout(this.#confirmationTimer);
    this.#isChangingKeys = false;
    const isStale = this.#wantsOtherKeys;
    this.#wantsOtherKeys = false;
    if (isStale) return this.#changeKeys();
    if (this.#own !== null) this.#emit('seal_with', this.#own);
  }

  #scheduleRetry() {
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined;
      for (const [id, pair] of this.#pairs) {
        if (pair.hasSecret || pair.attempts >= MAX_ATTEMPTS) continue;
        this.#ask(id, pair);
        this.#scheduleRetry();
      }
    }, RETRY_MS);
  }

  /** @param {string} participant @param {Record<string, unknown>} message */
  #send(participant, message) {
    if (!this.#isClosed) this.options.send(participant, JSON.stringify(message));
  }

  /** @param {() => Promise<void>} act */
  #inTurn(act) {
    this.#doing = this.#doing.then(() => (this.#isClosed ? undefined : act()));
    return this.#doing;
  }

  /** @param {string} name @param {unknown} [detail] */
  #emit(name, detail) {
    if (!this.#isClosed) this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Random, so that the sets of two participants do not meet: if they do, the later one is not opened. */
function randomSetId() {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % MAX_SET_ID;
}

/** @param {string} payload @returns {Record<string, unknown> | null} */
function parse(payload) {
  if (payload.length > MAX_PAYLOAD_CHARACTERS) return null;
  try {
    const value = JSON.parse(payload);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

// Frames in, frames out: which bytes stay in clear, which key and counter seal a frame, which frames
// are opened and why others are not. No transform, no worker, no clock: transform_worker.js is the shell.

import { MAX_HEADER_BYTES, TAG_BYTES, concat, decodeHeader, deriveFrameKey, open, seal } from './sframe.js';

/** @import { FrameKey, Header } from './sframe.js' */
/** @import { TrackSource } from '../messages.js' */

/** Each source has keys and counters of its own: what was sealed as a camera never opens as a screen. */
export const SOURCES = /** @type {const} */ (['microphone', 'camera', 'screen']);
/** Key ids of one set are four in a row. */
const IDS_PER_SET = 4n;
/** LIMIT: sets of keys kept of one participant: the one in use, the one before, the one to come. */
const MAX_SETS = 3;
/** LIMIT: participants whose keys are kept. Kep rooms admit four. */
const MAX_PARTICIPANTS = 16;
/** How long frames under a former key are still opened, for what was on its way. */
export const FORMER_KEY_MS = 5000;
/** Far below 2⁶⁴ and above what a call can send in years. */
const MAX_COUNTER = 2n ** 48n;
/** Frames of one source that may overtake each other: about 8 s of a camera's three encodings. */
export const REPLAY_WINDOW = 1024;

// VP8: RFC 6386 §9.1. The server finds keyframes and their size there, and so does the browser's
// depacketizer before this transform runs.
const VP8_INTERFRAME = 0x01;
const VP8_CLEAR_BYTES = { key: 10, delta: 3 };
/** Opus: the TOC byte (RFC 6716 §3.1). */
const OPUS_CLEAR_BYTES = 1;

/** @typedef {'audio' | 'video'} Kind */
/** @typedef {'empty' | 'no_key' | 'counter_exhausted' | 'too_short' | 'unknown_key' | 'wrong_source' | 'unexpected_sender' | 'expired_key' | 'replayed' | 'forged'} DropReason */
/**
 * Whose frames an m-line is to carry: somebody's picture; sound, which may be anybody's in the room;
 * nobody's.
 * @typedef {{ participant: string, source: TrackSource } | 'anybody' | null} Expected
 */
/** @typedef {{ data: Uint8Array } | { drop: DropReason }} Outcome */

/** How many bytes at the start of a frame stay in clear. @param {Kind} kind @param {Uint8Array} data */
export function clearBytes(kind, data) {
  if (kind === 'audio') return OPUS_CLEAR_BYTES;
  const isDelta = ((data[0] ?? 0) & VP8_INTERFRAME) !== 0;
  return isDelta ? VP8_CLEAR_BYTES.delta : VP8_CLEAR_BYTES.key;
}

/** @param {TrackSource} source @returns {Kind} */
function kindOf(source) {
  return source === 'microphone' ? 'audio' : 'video';
}

/** What was received of one key: the highest counter and those just below it. */
export class ReplayWindow {
  #highest = -1;
  #seen = new Uint8Array(REPLAY_WINDOW);

  /** @param {number} counter */
  isFresh(counter) {
    if (counter > this.#highest) return true;
    return counter > this.#highest - REPLAY_WINDOW && this.#seen[counter % REPLAY_WINDOW] === 0;
  }

  /** Only after the frame was authenticated. @param {number} counter */
  accept(counter) {
    if (counter > this.#highest) {
      const skipped = Math.min(counter - this.#highest, REPLAY_WINDOW);
      for (let back = 0; back < skipped; back += 1) this.#seen[(counter - back) % REPLAY_WINDOW] = 0;
      this.#highest = counter;
    }
    this.#seen[counter % REPLAY_WINDOW] = 1;
  }
}

/** Seals what this participant sends. */
export class Sealer {
  /** @type {Map<TrackSource, { key: FrameKey, counter: bigint }> | null} */
  #keys = null;
  /** @type {Set<number>} */
  #usedIds = new Set();

  /**
   * From now on with these keys. A set is used once: its counters must not begin again.
   * @param {number} setId @param {Uint8Array} secret
   */
  async use(setId, secret) {
    if (this.#usedIds.has(setId)) throw new Error('a set of keys is used once');
    this.#usedIds.add(setId);
    const keys = await deriveSet(setId, secret, 'encrypt');
    this.#keys = new Map(keys.map(([source, key]) => [source, { key, counter: 0n }]));
  }

  /** From now on nothing is sent. */
  stop() {
    this.#keys = null;
  }

  /** @param {TrackSource} source @param {Uint8Array} data @returns {Promise<Outcome>} */
  async seal(source, data) {
    if (data.length === 0) return { drop: 'empty' };
    const state = this.#keys?.get(source);
    if (state === undefined) return { drop: 'no_key' };
    if (state.counter >= MAX_COUNTER) return { drop: 'counter_exhausted' };
    const counter = state.counter;
    state.counter += 1n; // before anything is awaited: no other frame may take it
    const size = clearBytes(kindOf(source), data);
    // No VP8 frame is shorter than its own header; sealing one would leave it in clear.
    if (data.length < size) return { drop: 'too_short' };
    const clear = data.subarray(0, size);
    const { header, sealed } = await seal(state.key, counter, clear, data.subarray(size));
    return { data: concat(clear, header, sealed) };
  }
}

/** @typedef {{ participant: string, source: TrackSource, key: FrameKey, window: ReplayWindow, expiresAt: number }} Entry */

/** Opens what others send. What does not open is dropped: there is no other way through. */
export class Opener {
  /** By key id. @type {Map<bigint, Entry>} */
  #entries = new Map();
  /** Participant → its sets, oldest first. @type {Map<string, number[]>} */
  #sets = new Map();

  /**
   * Also open what is sealed with this set. Sets before it expire.
   * @param {string} participant @param {number} setId @param {Uint8Array} secret @param {number} now ms
   */
  async install(participant, setId, secret, now) {
    const keys = await deriveSet(setId, secret, 'decrypt');
    const sets = this.#sets.get(participant) ?? [];
    if (sets.includes(setId)) return;
    if (keys.some(([, key]) => this.#entries.has(key.keyId))) throw new Error('the key id is taken');
    if (!this.#sets.has(participant) && this.#sets.size >= MAX_PARTICIPANTS) throw new Error('too many senders');
    for (const former of sets) {
      for (const [, id] of idsOf(former)) {
        const entry = this.#entries.get(id);
        if (entry !== undefined) entry.expiresAt = Math.min(entry.expiresAt, now + FORMER_KEY_MS);
      }
    }
    while (sets.length >= MAX_SETS) this.#forgetSet(/** @type {number} */ (sets.shift()));
    this.#sets.set(participant, [...sets, setId]);
    for (const [source, key] of keys) {
      this.#entries.set(key.keyId, { participant, source, key, window: new ReplayWindow(), expiresAt: Infinity });
    }
  }

  /** @param {string} participant */
  forget(participant) {
    for (const setId of this.#sets.get(participant) ?? []) this.#forgetSet(setId);
    this.#sets.delete(participant);
  }

  /**
   * @param {Kind} kind @param {Expected} expected @param {Uint8Array} data @param {number} now ms
   * @returns {Promise<Outcome>}
   */
  async open(kind, expected, data, now) {
    const size = clearBytes(kind, data);
    const protectedPart = data.subarray(size);
    const header = decodeHeader(protectedPart.subarray(0, MAX_HEADER_BYTES));
    if (header === null || protectedPart.length < header.length + TAG_BYTES) {
      return { drop: 'too_short' };
    }
    return this.#openWith(kind, expected, { clear: data.subarray(0, size), protectedPart, header }, now);
  }

  /**
   * @param {Kind} kind @param {Expected} expected
   * @param {{ clear: Uint8Array, protectedPart: Uint8Array, header: Header }} frame @param {number} now
   * @returns {Promise<Outcome>}
   */
  async #openWith(kind, expected, { clear, protectedPart, header }, now) {
    const entry = this.#entries.get(header.keyId);
    if (entry === undefined) return { drop: 'unknown_key' };
    if (kindOf(entry.source) !== kind) return { drop: 'wrong_source' };
    if (expected !== 'anybody') {
      if (expected?.participant !== entry.participant) return { drop: 'unexpected_sender' };
      if (expected.source !== entry.source) return { drop: 'wrong_source' };
    }
    if (now > entry.expiresAt) return { drop: 'expired_key' };
    if (header.counter >= MAX_COUNTER || !entry.window.isFresh(Number(header.counter))) return { drop: 'replayed' };
    try {
      const opened = await open(entry.key, header, clear, protectedPart);
      // Another copy may have been opened while this one waited.
      if (!entry.window.isFresh(Number(header.counter))) return { drop: 'replayed' };
      entry.window.accept(Number(header.counter));
      return { data: concat(clear, opened) };
    } catch {
      return { drop: 'forged' };
    }
  }

  /** @param {number} setId */
  #forgetSet(setId) {
    for (const [, id] of idsOf(setId)) this.#entries.delete(id);
  }
}

/** @param {number} setId @returns {[TrackSource, bigint][]} */
function idsOf(setId) {
  return SOURCES.map((source, index) => [source, BigInt(setId) * IDS_PER_SET + BigInt(index)]);
}

/**
 * @param {number} setId @param {Uint8Array} secret @param {'encrypt' | 'decrypt'} usage
 * @returns {Promise<[TrackSource, FrameKey][]>}
 */
async function deriveSet(setId, secret, usage) {
  return Promise.all(
    idsOf(setId).map(async ([source, id]) => /** @type {[TrackSource, FrameKey]} */ ([source, await deriveFrameKey(secret, id, usage)])),
  );
}

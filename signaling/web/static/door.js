// Client side of the door: tickets, knocking, waiting, and knocking again after a lost socket or a
// restart. Touches no page and no media. Contract: docs/signaling-protocol.md, section 10.

import { PROTOCOL_VERSION, ProtocolError, resumeDelay } from './protocol.js';

/** @import { DoorMessage, WaitingState } from './messages.js' */

const OPEN_TIMEOUT_MS = 10_000;
/** What passes: the door is tried again. */
const PASSING_CODES = new Set([
  'unreachable',
  'disconnected',
  'bad_ticket',
  'room_unavailable',
  'rate_limited',
  'internal',
  'storage_unavailable',
]);
/** Codes of an `error` without id after which knocking again is pointless. */
const FINAL_CODES = new Set(['replaced', 'unsupported_protocol']);
/** LIMIT: failures one after the other before giving up: some ten minutes. */
const MAX_FAILURES = 90;

/** @typedef {{ state: WaitingState, position: number, opens_at: string }} Waiting */
/** @typedef {{ outcome: string, reason: string, retryAfterS: number | null }} Dismissal */

/**
 * One person's knock. Events (CustomEvent, value in `detail`): `waiting` {Waiting}, `lost`, `back`.
 * `enter` resolves with the room token, or rejects: a ProtocolError, or a Dismissed.
 */
export class DoorClient extends EventTarget {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {((token: string) => void) | null} */
  #resolve = null;
  /** @type {((error: Error) => void) | null} */
  #reject = null;
  #returnTicket = '';
  #nextId = 1;
  #knockId = 0;
  #failures = 0;
  #isLost = false;
  #waitMs = 0;
  /** @type {number | undefined} */
  #retryTimer;
  /** @type {number | undefined} */
  #pingTimer;

  /**
   * @param {string} url  WebSocket address of the door.
   * @param {() => Promise<string>} obtainTicket  Rejects with a ProtocolError.
   * @param {{ WebSocket?: typeof WebSocket, random?: () => number }} [outside]
   */
  constructor(url, obtainTicket, outside = {}) {
    super();
    this.url = url;
    this.obtainTicket = obtainTicket;
    this.WebSocketClass = outside.WebSocket ?? WebSocket;
    this.random = outside.random ?? Math.random;
  }

  /** Knock and wait. @returns {Promise<string>} The token of the admission. */
  enter() {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      void this.#knock();
    });
  }

  /** Give the place up. */
  leave() {
    if (this.#socket?.readyState === 1) this.#send({ type: 'leave' });
    this.#finish();
  }

  /** Throw the socket away as a lost network would. For tests. */
  reset() {
    this.#handleLoss();
  }

  async #knock() {
    try {
      const ticket = this.#returnTicket || (await this.obtainTicket());
      this.#returnTicket = '';
      if (this.#resolve === null) return;
      const socket = await this.#open();
      this.#knockId = this.#nextId;
      this.#send({ type: 'knock', ticket, protocol: PROTOCOL_VERSION });
      this.#socket = socket;
    } catch (error) {
      this.#handleFailure(error instanceof ProtocolError ? error : new ProtocolError('unreachable', String(error)));
    }
  }

  /** @returns {Promise<WebSocket>} */
  #open() {
    const socket = new this.WebSocketClass(this.url);
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      const fail = () => {
        clearTimeout(timer);
        socket.close();
        reject(new ProtocolError('unreachable', 'the server cannot be reached'));
      };
      const timer = setTimeout(fail, OPEN_TIMEOUT_MS);
      socket.addEventListener('open', () => {
        clearTimeout(timer);
        socket.addEventListener('close', () => {
          if (socket === this.#socket) this.#handleLoss();
        });
        resolve(socket);
      });
      socket.addEventListener('error', fail);
      socket.addEventListener('message', (event) => {
        if (socket === this.#socket) this.#handle(JSON.parse(event.data));
      });
    });
  }

  /** @param {Record<string, unknown>} message */
  #send(message) {
    this.#socket?.send(JSON.stringify({ ...message, id: this.#nextId++ }));
  }

  /** @param {DoorMessage} message */
  #handle(message) {
    switch (message.type) {
      case 'knocked':
        this.#returnTicket = message.ticket;
        this.#failures = 0;
        if (this.#isLost) this.#emit('back', null);
        this.#isLost = false;
        clearInterval(this.#pingTimer);
        this.#pingTimer = setInterval(() => this.#send({ type: 'ping' }), message.ping_interval_s * 1000);
        break;
      case 'waiting':
        this.#emit('waiting', message);
        break;
      case 'admitted':
        this.#finish()?.resolve(message.token);
        break;
      case 'dismissed':
        this.#finish()?.reject(new Dismissed(message.outcome, message.reason, message.retry_after_s));
        break;
      case 'going_away':
        this.#waitMs = message.retry_after_ms;
        break;
      case 'error':
        this.#handleError(message);
        break;
    }
  }

  /** @param {{ id: number | null, code: string, message: string, retry_after_s?: number | null }} error */
  #handleError(error) {
    const problem = new ProtocolError(error.code, error.message, error.retry_after_s ?? null);
    if (error.id === this.#knockId) this.#handleFailure(problem);
    else if (error.id === null && FINAL_CODES.has(error.code)) this.#finish()?.reject(problem);
  }

  #handleLoss() {
    this.#drop();
    this.#handleFailure(new ProtocolError('disconnected', 'the socket is lost'));
  }

  /** @param {ProtocolError} error */
  #handleFailure(error) {
    if (this.#resolve === null) return;
    this.#drop();
    // Before the first place was ours a person waits for an answer; afterwards patience pays.
    const limit = this.#isLost || error.code === 'disconnected' ? MAX_FAILURES : 3;
    if (!PASSING_CODES.has(error.code) || ++this.#failures > limit) {
      this.#finish()?.reject(error);
      return;
    }
    if (error.code === 'disconnected' && !this.#isLost) {
      this.#isLost = true;
      this.#emit('lost', null);
    }
    const delayMs = Math.max(
      resumeDelay(this.#failures - 1, this.random()),
      this.#waitMs,
      (error.retryAfterS ?? 0) * 1000,
    );
    this.#waitMs = 0;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => void this.#knock(), delayMs);
  }

  #drop() {
    clearInterval(this.#pingTimer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** Be done; returns what the caller of `enter` waits with, once. */
  #finish() {
    const [resolve, reject] = [this.#resolve, this.#reject];
    this.#resolve = this.#reject = null;
    clearTimeout(this.#retryTimer);
    this.#drop();
    return resolve === null || reject === null ? null : { resolve, reject };
  }

  /** @param {string} name @param {unknown} detail */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Not let in. */
export class Dismissed extends Error {
  /** @param {string} outcome @param {string} reason @param {number | null} retryAfterS */
  constructor(outcome, reason, retryAfterS) {
    super(outcome);
    this.name = 'Dismissed';
    this.outcome = outcome;
    this.reason = reason;
    this.retryAfterS = retryAfterS;
  }
}

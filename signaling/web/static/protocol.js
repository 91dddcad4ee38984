// Client side of the WebSocket protocol: requests and replies, notifications, resume after a lost
// socket. Touches no page and no media. Contract: docs/signaling-protocol.md.

/** @import { ClientMessage, Joined, Notification, Reply, ErrorMessage } from './messages.js' */

export const PROTOCOL_VERSION = 1;
const REQUEST_TIMEOUT_MS = 15_000;
const OPEN_TIMEOUT_MS = 10_000;
/** As many as the server takes on one socket. */
const JOIN_ATTEMPTS = 3;
const RESUME_DELAYS_MS = [0, 300, 1200, 2700, 4800, 7000];
const RESUME_JITTER_MS = 300;
/** LIMIT: the server forgets a participant 30 s after its socket; longer trying only helps rejoining. */
const RESUME_ATTEMPTS = 12;
/** Codes after which a new socket cannot help, whether as reply to `resume` or before a close. */
const FINAL_CODES = new Set(['kicked', 'replaced', 'room_closed', 'unsupported_protocol']);
/** Notifications that end it. */
export const ENDINGS = new Set(['kicked', 'room_closed', 'moved_back']);
/** Refusals that pass: everything else that refuses `resume` means that the server forgot us. */
const PASSING_CODES = new Set([
  'unreachable',
  'disconnected',
  'timeout',
  'room_unavailable',
  'audit_unavailable',
  'rate_limited',
  'internal',
]);

/** A request failed: `code` is the server's, or `disconnected`, `timeout`, `unreachable` of this side. */
export class ProtocolError extends Error {
  /** @param {string} code @param {string} message @param {number | null} [retryAfterS] */
  constructor(code, message, retryAfterS = null) {
    super(message || code);
    this.name = 'ProtocolError';
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/** @param {number} attempt From 0. @param {number} random In [0, 1). @returns {number} ms to wait before it. */
export function resumeDelay(attempt, random) {
  const base = RESUME_DELAYS_MS[Math.min(attempt, RESUME_DELAYS_MS.length - 1)] ?? 0;
  return attempt === 0 ? base : base + random * RESUME_JITTER_MS;
}

/** @param {unknown} error @returns {number | null} Seconds after which a busy server may have time. */
function busySeconds(error) {
  const isBusy = error instanceof ProtocolError && error.code === 'room_unavailable';
  return isBusy ? error.retryAfterS : null;
}

/**
 * One participant's signalling. Events (CustomEvent, value in `detail`):
 * `notification` {Notification}, `resumed` {Joined}, `lost` {attempt}, `ended` {code},
 * `round_trip` {number, ms}. After `ended` the object is of no further use.
 */
export class Protocol extends EventTarget {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Map<number, {resolve: (reply: Reply) => void, reject: (error: Error) => void, timer: number}>} */
  #pending = new Map();
  #nextId = 1;
  /** @type {Joined | null} */
  #identity = null;
  #isEnded = false;
  #attempt = 0;
  #goingAwayMs = 0;
  /** @type {number | undefined} */
  #retryTimer;
  /** @type {number | undefined} */
  #pingTimer;

  /**
   * @param {string} url
   * @param {{ WebSocket?: typeof WebSocket, random?: () => number }} [outside]
   */
  constructor(url, outside = {}) {
    super();
    this.url = url;
    this.WebSocketClass = outside.WebSocket ?? WebSocket;
    this.random = outside.random ?? Math.random;
  }

  get isConnected() {
    return this.#identity !== null && this.#socket?.readyState === 1 && this.#attempt === 0;
  }

  /**
   * Enter the room. A server that is too busy is asked again when it says, and not by all at once.
   * @param {string} token @param {'on' | 'off'} [encryption] @returns {Promise<Joined>}
   */
  async join(token, encryption = 'off') {
    await this.#open();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#enter({ type: 'join', token, protocol: PROTOCOL_VERSION, encryption });
      } catch (error) {
        const pauseS = busySeconds(error);
        if (pauseS === null || attempt === JOIN_ATTEMPTS || this.#isEnded) throw error;
        const delayMs = pauseS * 1000 * (1 + this.random());
        await new Promise((resolve) => setTimeout(resolve, delayMs));
        if (this.#isEnded) throw error;
      }
    }
  }

  /** Send a request and wait for its reply. @param {ClientMessage} message @returns {Promise<Reply>} */
  async request(message) {
    if (!this.isConnected) throw new ProtocolError('disconnected', 'the socket is lost');
    return this.#send(message);
  }

  /** Leave for good. */
  async leave() {
    const wasConnected = this.isConnected;
    this.#isEnded = true;
    clearTimeout(this.#retryTimer);
    try {
      if (wasConnected) await this.#send({ type: 'leave' });
    } catch {
      // The server may close the socket before it replies: gone is gone.
    }
    this.#drop();
  }

  /** Try at once instead of waiting out the delay (the network came back). */
  retryNow() {
    if (this.#attempt === 0 || this.#retryTimer === undefined) return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    void this.#resume();
  }

  /** Throw the socket away as a lost network would, and resume. */
  reset() {
    if (this.#identity !== null && !this.#isEnded) this.#handleLoss();
  }

  /** @returns {Promise<void>} */
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
        socket.addEventListener('close', () => this.#handleClose(socket));
        resolve();
      });
      socket.addEventListener('error', fail);
      socket.addEventListener('message', (event) => this.#handleText(socket, event.data));
    });
  }

  /** @param {ClientMessage} message @returns {Promise<Joined>} */
  async #enter(message) {
    const reply = await this.#send(message);
    if (reply.type !== 'joined') throw new ProtocolError('bad_reply', `${reply.type} instead of joined`);
    this.#identity = reply;
    this.#attempt = 0;
    this.#goingAwayMs = 0;
    clearInterval(this.#pingTimer);
    this.#pingTimer = setInterval(() => void this.#ping(), reply.ping_interval_s * 1000);
    return reply;
  }

  /** @param {ClientMessage} message @returns {Promise<Reply>} */
  #send(message) {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      if (socket?.readyState !== 1) {
        reject(new ProtocolError('disconnected', 'the socket is lost'));
        return;
      }
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new ProtocolError('timeout', `no reply to ${message.type}`));
      }, REQUEST_TIMEOUT_MS);
      this.#pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ ...message, id }));
    });
  }

  /** @param {WebSocket} socket @param {string} text */
  #handleText(socket, text) {
    if (socket !== this.#socket) return;
    /** @type {Reply | ErrorMessage | Notification} */
    const message = JSON.parse(text);
    if (message.type === 'error') {
      this.#handleError(message);
    } else if ('id' in message) {
      this.#take(message.id)?.resolve(message);
    } else {
      if (message.type === 'going_away') this.#goingAwayMs = message.retry_after_ms;
      this.#emit('notification', message);
      if (ENDINGS.has(message.type)) this.#end(message.type);
    }
  }

  /** @param {ErrorMessage} error */
  #handleError(error) {
    if (error.id === null) {
      if (this.#identity !== null && FINAL_CODES.has(error.code)) this.#end(error.code);
      return;
    }
    this.#take(error.id)?.reject(new ProtocolError(error.code, error.message, error.retry_after_s ?? null));
  }

  /** @param {number} id */
  #take(id) {
    const waiting = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }

  /** @param {WebSocket} socket */
  #handleClose(socket) {
    if (socket !== this.#socket) return;
    if (this.#identity === null || this.#isEnded) this.#drop();
    else if (this.#attempt === 0) this.#handleLoss();
    // Otherwise a resume is under way: #drop makes its request fail, and it tries again.
    else this.#drop();
  }

  #handleLoss() {
    this.#drop();
    this.#attempt = 1;
    this.#emit('lost', { attempt: 1 });
    this.#scheduleResume();
  }

  #scheduleResume() {
    const delayMs = Math.max(resumeDelay(this.#attempt - 1, this.random()), this.#goingAwayMs);
    this.#goingAwayMs = 0;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      void this.#resume();
    }, delayMs);
  }

  async #resume() {
    const identity = this.#identity;
    if (identity === null || this.#isEnded) return;
    const { room, participant, secret } = identity;
    try {
      await this.#open();
      if (this.#isEnded) return this.#drop();
      const joined = await this.#enter({
        type: 'resume',
        room,
        participant,
        secret,
        protocol: PROTOCOL_VERSION,
      });
      this.#emit('resumed', joined);
    } catch (error) {
      this.#handleResumeFailure(
        error instanceof ProtocolError ? error : new ProtocolError('unreachable', String(error)),
      );
    }
  }

  /** @param {ProtocolError} error */
  #handleResumeFailure(error) {
    if (this.#isEnded) return;
    this.#drop();
    const mayRetry = PASSING_CODES.has(error.code) || error.retryAfterS !== null;
    this.#attempt += 1;
    if (!mayRetry || this.#attempt > RESUME_ATTEMPTS) {
      this.#end(FINAL_CODES.has(error.code) ? error.code : 'resume_failed');
      return;
    }
    if (error.retryAfterS !== null) this.#goingAwayMs = error.retryAfterS * 1000;
    this.#emit('lost', { attempt: this.#attempt });
    this.#scheduleResume();
  }

  async #ping() {
    if (!this.isConnected) return;
    const sentAt = performance.now();
    const socket = this.#socket;
    try {
      await this.#send({ type: 'ping' });
      this.#emit('round_trip', performance.now() - sentAt);
    } catch (error) {
      // A socket that swallows pings is dead even if TCP has not noticed.
      const isDead = error instanceof ProtocolError && error.code === 'timeout';
      if (isDead && socket === this.#socket && this.#attempt === 0) this.reset();
    }
  }

  /** @param {string} code */
  #end(code) {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#retryTimer);
    this.#drop();
    this.#emit('ended', { code });
  }

  #drop() {
    clearInterval(this.#pingTimer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject, timer } of waiting) {
      clearTimeout(timer);
      reject(new ProtocolError('disconnected', 'the socket is lost'));
    }
  }

  /** @param {string} name @param {unknown} detail */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

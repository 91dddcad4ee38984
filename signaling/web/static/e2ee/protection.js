// The page's side of the transforms: the worker, one transform for each sender and receiver, put in place
// before anything is negotiated. Decides no keys: encryption.js brings them.

/** @import { TrackSource, StreamSource } from '../messages.js' */
/** @import { Expected, Kind } from './frame_cipher.js' */
/** @import { PageMessage, TransformOptions } from './transform_worker.js' */

const WORKER = new URL('./transform_worker.js', import.meta.url);

/** @typedef {{ transform: unknown }} Transformable */
/** @typedef {new (worker: Worker, options: TransformOptions) => unknown} ScriptTransform */

/** Whether this browser can encrypt end to end at all. */
export function canEncrypt() {
  const has = (/** @type {string} */ name) => name in globalThis;
  return (
    globalThis.isSecureContext &&
    has('RTCRtpScriptTransform') &&
    has('Worker') &&
    globalThis.crypto?.subtle !== undefined &&
    'transform' in RTCRtpSender.prototype &&
    'transform' in RTCRtpReceiver.prototype
  );
}

/** Events: `failed` {reason}: the worker is gone or broken. No frame passes then. */
export class Protection extends EventTarget {
  #worker;
  /** @type {WeakMap<Transformable, number>} */
  #streams = new WeakMap();
  #nextStream = 0;

  constructor() {
    super();
    this.#worker = new Worker(WORKER, { type: 'module' });
    this.#worker.addEventListener('error', (event) => this.#fail(event.message));
    this.#worker.addEventListener('messageerror', () => this.#fail('messageerror'));
    this.#worker.addEventListener('message', ({ data }) => {
      if (data.type === 'failed') this.#fail(data.reason);
    });
  }

  /** @param {PageMessage} message */
  tell(message) {
    this.#worker.postMessage(message);
  }

  /** @param {TrackSource} source @param {RTCRtpSender} sender */
  protectSender(source, sender) {
    this.#put(sender, { direction: 'send', source });
  }

  /** @param {Kind} kind @param {RTCRtpReceiver} receiver */
  protectReceiver(kind, receiver) {
    const stream = this.#nextStream++;
    this.#streams.set(receiver, stream);
    this.#put(receiver, { direction: 'receive', kind, stream });
  }

  /** Say whose picture the m-line of this receiver is to show. @param {RTCRtpReceiver} receiver @param {StreamSource | undefined} carried */
  expect(receiver, carried) {
    const stream = this.#streams.get(receiver);
    if (stream === undefined) return;
    const { participant = null, source = null } = carried ?? {};
    /** @type {Expected} */
    const expected = participant === null || source === null ? null : { participant, source };
    this.tell({ type: 'expect', stream, expected });
  }

  /** What became of frames so far. @returns {Promise<Record<string, number>>} */
  report() {
    return new Promise((resolve) => {
      const take = (/** @type {MessageEvent} */ { data }) => {
        if (data.type !== 'report') return;
        this.#worker.removeEventListener('message', take);
        resolve(data.counts);
      };
      this.#worker.addEventListener('message', take);
      this.tell({ type: 'report' });
    });
  }

  close() {
    this.#worker.terminate();
  }

  /** @param {RTCRtpSender | RTCRtpReceiver} target @param {TransformOptions} options */
  #put(target, options) {
    const { RTCRtpScriptTransform } = /** @type {{ RTCRtpScriptTransform: ScriptTransform }} */ (/** @type {unknown} */ (globalThis));
    /** @type {Transformable} */ (/** @type {unknown} */ (target)).transform = new RTCRtpScriptTransform(this.#worker, options);
  }

  /** @param {unknown} reason */
  #fail(reason) {
    this.dispatchEvent(new CustomEvent('failed', { detail: String(reason) }));
  }
}

/** What transforms can protect: others would leave more than a few bytes in clear. */
const PROTECTABLE = new Set(['vp8', 'opus', 'rtx']);

/** Codecs in an answer that must not be there. @param {string} sdp @returns {string[]} */
export function unprotectableCodecs(sdp) {
  const names = [...sdp.matchAll(/^a=rtpmap:\d+ ([^/\s]+)/gm)].map((match) => (match[1] ?? '').toLowerCase());
  return [...new Set(names)].filter((name) => !PROTECTABLE.has(name));
}

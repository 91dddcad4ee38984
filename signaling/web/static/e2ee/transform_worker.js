// The worker that every frame of a call passes through: the shell of frame_cipher.js. A frame that is
// not sealed, or does not open, goes no further. Without this worker no frame goes at all.

import { Opener, Sealer } from './frame_cipher.js';

/** @import { Kind, Expected, Outcome } from './frame_cipher.js' */
/** @import { TrackSource } from '../messages.js' */

/**
 * What the page tells. `stream` names one receiver.
 * @typedef {{ type: 'seal_with', setId: number, secret: Uint8Array }
 *   | { type: 'stop_sealing' }
 *   | { type: 'open_with', participant: string, setId: number, secret: Uint8Array }
 *   | { type: 'forget', participant: string }
 *   | { type: 'expect', stream: number, expected: Expected }
 *   | { type: 'plain', isPlain: boolean }
 *   | { type: 'report' }} PageMessage
 */
/** @typedef {{ direction: 'send', source: TrackSource } | { direction: 'receive', kind: Kind, stream: number }} TransformOptions */
/** @typedef {{ data: ArrayBuffer }} EncodedFrame */
/** @typedef {{ readable: ReadableStream<EncodedFrame>, writable: WritableStream<EncodedFrame>, options: TransformOptions, sendKeyFrameRequest?: () => Promise<void> }} Transformer */

/** Between requests for a keyframe of one m-line. */
const KEYFRAME_REQUEST_INTERVAL_MS = 500;
/** Dropped because a key or a name is on its way: what follows will need a keyframe. */
const PASSING_REASONS = new Set(['unknown_key', 'unexpected_sender']);
const VP8_INTERFRAME = 0x01;

const sealer = new Sealer();
const opener = new Opener();
/** @type {Map<number, Expected>} */
const expectations = new Map();
/** Frames by what became of them: `sealed`, `opened`, and each reason of a drop. @type {Record<string, number>} */
const counts = {};
/** Everybody in the call has agreed to go on without encryption. */
let isPlain = false;
/** Messages are done one after the other: keys are derived asynchronously. */
let doing = Promise.resolve();

const scope = /** @type {{ addEventListener: (name: string, listener: (event: any) => void) => void, postMessage: (message: unknown) => void }} */ (
  /** @type {unknown} */ (self)
);
scope.addEventListener('message', ({ data }) => {
  doing = doing.then(() => handleMessage(data)).catch((error) => scope.postMessage({ type: 'failed', reason: String(error) }));
});
scope.addEventListener('rtctransform', ({ transformer }) => start(transformer));

/** @param {PageMessage} message */
async function handleMessage(message) {
  switch (message.type) {
    case 'seal_with':
      await sealer.use(message.setId, message.secret);
      break;
    case 'stop_sealing':
      sealer.stop();
      break;
    case 'open_with':
      await install(message);
      break;
    case 'forget':
      opener.forget(message.participant);
      break;
    case 'expect':
      expectations.set(message.stream, message.expected);
      break;
    case 'plain':
      isPlain = message.isPlain;
      break;
    case 'report':
      scope.postMessage({ type: 'report', counts });
      break;
  }
}

/** What somebody else chose badly is that one's loss. @param {{ participant: string, setId: number, secret: Uint8Array }} message */
async function install({ participant, setId, secret }) {
  try {
    await opener.install(participant, setId, secret, performance.now());
  } catch {
    counts['refused_key'] = (counts['refused_key'] ?? 0) + 1;
  }
}

/** @param {Transformer} transformer */
function start(transformer) {
  const { options } = transformer;
  const change = options.direction === 'send' ? sealing(options.source) : opening(options, transformer);
  const stream = new TransformStream({
    async transform(/** @type {EncodedFrame} */ frame, controller) {
      const outcome = isPlain ? { data: new Uint8Array(frame.data) } : await change(new Uint8Array(frame.data));
      const what = 'drop' in outcome ? outcome.drop : isPlain ? 'plain' : options.direction === 'send' ? 'sealed' : 'opened';
      counts[what] = (counts[what] ?? 0) + 1;
      if ('drop' in outcome) return;
      frame.data = /** @type {ArrayBuffer} */ (outcome.data.buffer);
      controller.enqueue(frame);
    },
  });
  // A transport that is closed ends its streams with an error, which is no news.
  void transformer.readable.pipeThrough(stream).pipeTo(transformer.writable).catch(() => {});
}

/** @param {TrackSource} source @returns {(data: Uint8Array) => Promise<Outcome>} */
function sealing(source) {
  return (data) => sealer.seal(source, data);
}

/**
 * @param {{ kind: Kind, stream: number }} options @param {Transformer} transformer
 * @returns {(data: Uint8Array) => Promise<Outcome>}
 */
function opening({ kind, stream }, transformer) {
  if (kind === 'audio') return (data) => opener.open(kind, 'anybody', data, performance.now());
  let needsKeyframe = false;
  let requestedAt = -Infinity;
  return async (data) => {
    const now = performance.now();
    const outcome = await opener.open(kind, expectations.get(stream) ?? null, data, now);
    if ('drop' in outcome) {
      needsKeyframe ||= PASSING_REASONS.has(outcome.drop);
    } else if (((data[0] ?? 0) & VP8_INTERFRAME) === 0) {
      needsKeyframe = false;
    } else if (needsKeyframe && now - requestedAt > KEYFRAME_REQUEST_INTERVAL_MS) {
      // What came before could not be opened: this picture builds on something that was not seen.
      requestedAt = now;
      void transformer.sendKeyFrameRequest?.().catch(() => {});
    }
    return outcome;
  };
}

// The page calls itself: two participants of one temporary room, one that sends and one that only
// receives, through the real server. What is sent is artificial: nobody's face or voice.

import { post } from '../entry.js';
import { MediaConnection } from '../media_connection.js';
import { Protocol, ProtocolError } from '../protocol.js';
import { pathOf, qualityOf } from './measure.js';
import { TestMedia } from './test_media.js';

/** @import { PathFinding, QualityFinding, ServerFinding } from './verdict.js' */
/** @import { Sample, Stat } from './measure.js' */

/** @typedef {{ server: ServerFinding, path: PathFinding | null, quality: QualityFinding | null }} NetworkFinding */

const CONNECT_MS = 10_000;
const MEASURE_MS = 8000;
const SAMPLE_MS = 500;
const PICTURE_HEIGHT = 720;
/** The line of an answer that says where the server's media port is (RFC 8839 §5.1). */
const CANDIDATE = /^a=candidate:\S+ \d+ udp \d+ \S+ (\d+) typ host/im;

/** One of the two ends. */
class End {
  port = 0;

  /** @param {string} socketUrl */
  constructor(socketUrl) {
    this.protocol = new Protocol(socketUrl);
    this.media = new MediaConnection(async (sdp, tracks) => {
      const reply = await this.protocol.request({ type: 'offer', sdp, tracks });
      if (reply.type !== 'answer') throw new ProtocolError('bad_reply', reply.type);
      this.port = Number(CANDIDATE.exec(reply.sdp)?.[1] ?? 0);
      return reply.sdp;
    });
  }

  /** @returns {Promise<Stat[]>} */
  async stats() {
    /** @type {Stat[]} */
    const found = [];
    (await this.media.peerConnection.getStats()).forEach((/** @type {Stat} */ each) => found.push(each));
    return found;
  }

  get isConnected() {
    return this.media.peerConnection.connectionState === 'connected';
  }

  /** Whether a path was found, even if nothing more. */
  get hasPath() {
    return ['connected', 'completed'].includes(this.media.peerConnection.iceConnectionState);
  }

  async close() {
    this.media.close();
    await this.protocol.leave();
  }
}

/**
 * @param {string} path Of the entrance that gives a room.
 * @param {string} socketUrl
 * @param {(found: Partial<NetworkFinding>) => void} onFound Told as soon as something is known.
 * @returns {Promise<NetworkFinding>}
 */
export async function checkNetwork(path, socketUrl, onFound) {
  /** @type {NetworkFinding} */
  const found = { server: { failure: 'unreachable' }, path: null, quality: null };
  const [publisher, viewer] = [new End(socketUrl), new End(socketUrl)];
  const testMedia = new TestMedia();
  try {
    const joined = await join(path, publisher, viewer);
    found.server = joined.server;
    onFound({ server: found.server });
    if (joined.participant === null) return found;
    found.path = await connect(publisher, viewer, testMedia);
    onFound({ path: found.path });
    if (found.path.failure !== null) return found;
    await watch(viewer, joined.participant);
    found.quality = qualityOf(await sample(publisher, viewer));
    return found;
  } finally {
    testMedia.close();
    await Promise.all([publisher.close(), viewer.close()]);
  }
}

/** @param {string} path @param {End} publisher @param {End} viewer @returns {Promise<{ server: ServerFinding, participant: string | null }>} */
async function join(path, publisher, viewer) {
  /** @type {Record<string, string>} */
  let tokens;
  try {
    tokens = await post(path, {});
  } catch (error) {
    return { server: { failure: codeOf(error) }, participant: null };
  }
  const startedMs = performance.now();
  try {
    const { participant } = await publisher.protocol.join(tokens['publisher'] ?? '');
    const joinMs = performance.now() - startedMs;
    await viewer.protocol.join(tokens['viewer'] ?? '');
    return { server: { failure: null, joinMs }, participant };
  } catch (error) {
    // HTTP gets through and the WebSocket does not: typical of old proxies.
    const isSocket = ['unreachable', 'disconnected', 'timeout'].includes(codeOf(error));
    return { server: { failure: isSocket ? 'socket_blocked' : codeOf(error) }, participant: null };
  }
}

/** @param {End} publisher @param {End} viewer @param {TestMedia} testMedia @returns {Promise<PathFinding>} */
async function connect(publisher, viewer, testMedia) {
  const startedMs = performance.now();
  const ends = [publisher, viewer];
  let isRefused = false;
  for (const { media } of ends) media.addEventListener('negotiation_failed', () => (isRefused = true));
  const { picture, sound } = testMedia;
  await Promise.all([
    publisher.media.start({ camera: picture, microphone: sound, audioStreams: 0, videoStreams: 0 }),
    viewer.media.start({ camera: null, microphone: null, audioStreams: 1, videoStreams: 1 }),
  ]);
  await until(() => isRefused || ends.every(({ isConnected }) => isConnected), CONNECT_MS);
  const facts = { connectMs: performance.now() - startedMs, port: publisher.port };
  if (isRefused) return { failure: 'no_answer', ...facts };
  if (!ends.every(({ hasPath }) => hasPath)) return { failure: 'no_path', ...facts };
  if (!ends.every(({ isConnected }) => isConnected)) return { failure: 'no_handshake', ...facts };
  const path = pathOf(await publisher.stats());
  return { failure: null, candidate: path?.candidate ?? 'unknown', protocol: path?.protocol ?? 'unknown', ...facts };
}

/** Let the viewer get the publisher's picture. @param {End} viewer @param {string} participant */
async function watch(viewer, participant) {
  const [mid] = viewer.media.answeredVideoMids;
  if (mid === undefined) return;
  const wish = { mid, participant, source: /** @type {const} */ ('camera'), speaker: false, max_height: PICTURE_HEIGHT };
  await viewer.protocol.request({ type: 'layout', video: [wish] });
}

/** @param {End} publisher @param {End} viewer @returns {Promise<Sample[]>} */
async function sample(publisher, viewer) {
  /** @type {Sample[]} */
  const samples = [];
  const endMs = performance.now() + MEASURE_MS;
  do {
    const [sent, received] = await Promise.all([publisher.stats(), viewer.stats()]);
    samples.push({ atMs: performance.now(), publisher: sent, viewer: received });
    await pause(SAMPLE_MS);
  } while (performance.now() < endMs);
  return samples;
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof ProtocolError ? error.code : 'unknown';
}

/** @param {() => boolean} isMet @param {number} atMostMs */
async function until(isMet, atMostMs) {
  const endMs = performance.now() + atMostMs;
  while (!isMet() && performance.now() < endMs) await pause(50);
}

/** @param {number} ms @returns {Promise<void>} */
function pause(ms) {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

// The browser's side of one transport: one RTCPeerConnection, offers only from here, m-lines that
// live as long as it does. Says nothing to the server itself: `negotiate` is given. No page.

import { unprotectableCodecs } from './e2ee/protection.js';
import { ProtocolError } from './protocol.js';

/** @import { TrackSource } from './messages.js' */
/** @import { Protection } from './e2ee/protection.js' */

/**
 * Simulcast of a 1280×720 camera: quarter, half and full size. Order: lowest first, as rids q, h, f.
 * Without a mode Chromium sends VP9 and AV1 as one stream, of the first encoding's size.
 * @type {(RTCRtpEncodingParameters & { scalabilityMode: string })[]}
 */
const CAMERA_ENCODINGS = [
  { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: 'L1T3' },
  { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: 'L1T3' },
  { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_700_000, scalabilityMode: 'L1T3' },
];
const SCREEN_MAX_BITRATE_BPS = 2_500_000;
/** A link may drop a few checks and recover; ICE itself calls that `disconnected` after some seconds. */
const DISCONNECTED_GRACE_MS = 1500;
const RESTART_INTERVAL_MS = 3000;
/** After so many ICE restarts without success only a new transport helps. */
const MAX_RESTARTS = 4;

/**
 * Receive-only video m-lines that fit into an offer of 60,000 characters beside camera, screen, sound and
 * candidates (15,000), by how short the browser lets us make them. Measured with Chromium: 1,951 characters
 * each when short, 2,424 with all header extensions, 3,300 with all codecs too. Firefox: 1,752 to 2,400.
 */
const MOST_VIDEO_LINES = { short: 20, middle: 16, long: 12 };

/** How many receive-only video m-lines this browser can offer within the size of a message. */
export function mostVideoStreams() {
  const { prototype } = RTCRtpTransceiver;
  if (!('setCodecPreferences' in prototype)) return MOST_VIDEO_LINES.long;
  return 'setHeaderExtensionsToNegotiate' in prototype ? MOST_VIDEO_LINES.short : MOST_VIDEO_LINES.middle;
}

/**
 * The codecs worth an offer's bytes where we only receive: what the server forwards, and RTX. An m-line
 * shrinks to less than half.
 * @template {{ mimeType: string, sdpFmtpLine?: string }} Codec
 * @param {readonly Codec[]} codecs @returns {Codec[]}
 */
export function receivableCodecs(codecs) {
  return codecs.filter(({ mimeType, sdpFmtpLine = '' }) => {
    const format = new Map(sdpFmtpLine.split(';').map((each) => /** @type {[string, string]} */ (each.trim().split('='))));
    switch (mimeType.toLowerCase()) {
      case 'video/vp8':
      case 'video/rtx':
        return true;
      case 'video/vp9':
        return (format.get('profile-id') ?? '0') === '0';
      case 'video/av1':
        return (format.get('profile') ?? '0') === '0';
      case 'video/h264':
        return format.get('packetization-mode') === '1' && H264_PROFILE.test(format.get('profile-level-id') ?? '');
      default:
        return false;
    }
  });
}

/** RFC 6184 §8.1: Baseline, Constrained Baseline, High. What cameras send; Main is between them. */
const H264_PROFILE = /^(4200|42e0|640[0c])/i;

/** Header extensions that the server sends with video (`Extension` in sfu/media.py). */
const RECEIVED_EXTENSIONS = new Set([
  'urn:ietf:params:rtp-hdrext:sdes:mid',
  'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
  'urn:3gpp:video-orientation',
  'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
]);

/** @typedef {{ uri: string, direction: RTCRtpTransceiverDirection }} HeaderExtension */

/**
 * Leave out of the offer what an m-line that only receives never uses.
 * @param {RTCRtpTransceiver} transceiver @param {readonly RTCRtpCodec[]} codecs
 */
function shorten(transceiver, codecs) {
  // An empty list would mean all.
  if (codecs.length > 0) transceiver.setCodecPreferences?.([...codecs]);
  // W3C WebRTC Extensions; Chromium has it, and offers more extensions than others.
  const extended = /** @type {{ getHeaderExtensionsToNegotiate?: () => HeaderExtension[], setHeaderExtensionsToNegotiate?: (wanted: HeaderExtension[]) => void }} */ (
    /** @type {unknown} */ (transceiver)
  );
  const offered = extended.getHeaderExtensionsToNegotiate?.();
  if (offered === undefined) return;
  extended.setHeaderExtensionsToNegotiate?.(
    offered.map(({ uri, direction }) => ({ uri, direction: RECEIVED_EXTENSIONS.has(uri) ? direction : 'stopped' })),
  );
}

/** @typedef {(sdp: string, tracks: Record<string, TrackSource>) => Promise<string>} Negotiate */

/**
 * Events: `state` {RTCPeerConnectionState}, `streams` (m-lines known or grown), `negotiation_failed`
 * {Error}, `unusable` (make a new MediaConnection).
 */
export class MediaConnection extends EventTarget {
  /** @type {Map<TrackSource, RTCRtpTransceiver>} */
  #senders = new Map();
  /** @type {RTCRtpTransceiver[]} */
  #audioReceivers = [];
  /** @type {RTCRtpTransceiver[]} */
  #videoReceivers = [];
  #isNegotiating = false;
  #wantsOffer = false;
  #isClosed = false;
  #restarts = 0;
  #lastRestartAt = -Infinity;
  #handledState = '';
  /** @type {number | undefined} */
  #restartTimer;

  /**
   * @param {Negotiate} negotiate Sends the offer and returns the answer.
   * @param {Protection | null} [protection] Every frame passes through it, in both directions.
   */
  constructor(negotiate, protection = null) {
    super();
    this.negotiate = negotiate;
    this.protection = protection;
    this.peerConnection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.peerConnection.addEventListener('connectionstatechange', () => this.#handleState());
    this.peerConnection.addEventListener('iceconnectionstatechange', () => this.#handleState());
  }

  /**
   * Offer once with everything that can be foreseen.
   * @param {{ microphone: MediaStreamTrack | null, camera: MediaStreamTrack | null,
   *   audioStreams: number, videoStreams: number }} wanted
   */
  async start({ microphone, camera, audioStreams, videoStreams }) {
    this.#addSender('microphone', microphone ?? 'audio', {});
    this.#addSender('camera', camera ?? 'video', { sendEncodings: CAMERA_ENCODINGS });
    for (let count = 0; count < audioStreams; count += 1) {
      const transceiver = this.peerConnection.addTransceiver('audio', { direction: 'recvonly' });
      this.protection?.protectReceiver('audio', transceiver.receiver);
      this.#audioReceivers.push(transceiver);
    }
    this.#addVideoReceivers(videoStreams);
    await this.#offer();
  }

  /** Mids of the receive-only video m-lines that the server has answered, in order. */
  get answeredVideoMids() {
    const answered = this.#videoReceivers.filter(({ currentDirection }) => currentDirection === 'recvonly');
    return answered.flatMap(({ mid }) => (mid === null ? [] : [mid]));
  }

  /** Receive-only video m-lines that have a mid. */
  get videoReceivers() {
    return this.#videoReceivers.flatMap(({ mid, receiver }) => (mid === null ? [] : [{ mid, receiver }]));
  }

  /** Tracks of the receive-only audio m-lines. */
  get audioTracks() {
    return this.#audioReceivers.map(({ receiver }) => receiver.track);
  }

  /** @param {string} mid @returns {MediaStreamTrack | null} */
  videoTrack(mid) {
    return this.#videoReceivers.find((each) => each.mid === mid)?.receiver.track ?? null;
  }

  /** Offer more m-lines if there are fewer. @param {number} count */
  async ensureVideoStreams(count) {
    const missing = count - this.#videoReceivers.length;
    if (missing <= 0 || this.#isClosed) return;
    this.#addVideoReceivers(missing);
    await this.#offer();
  }

  /** Send this track, or nothing, as microphone or camera: no offer needed.
   * @param {'microphone' | 'camera'} source @param {MediaStreamTrack | null} track */
  async replaceTrack(source, track) {
    await this.#senders.get(source)?.sender.replaceTrack(track);
  }

  /** Send the camera's full size with these limits; null: as before.
   * @param {{ maxFramerate: number, maxBitrate: number } | null} limits */
  async limitCamera(limits) {
    const sender = this.#senders.get('camera')?.sender;
    if (sender === undefined) return;
    const parameters = sender.getParameters();
    parameters.encodings.forEach((encoding, index) => {
      const usual = CAMERA_ENCODINGS[index];
      const isTop = index === parameters.encodings.length - 1;
      if (usual?.maxBitrate !== undefined) encoding.maxBitrate = isTop && limits !== null ? limits.maxBitrate : usual.maxBitrate;
      if (isTop && limits !== null) encoding.maxFramerate = limits.maxFramerate;
      else delete encoding.maxFramerate;
    });
    await sender.setParameters(parameters).catch(() => undefined);
  }

  /** @param {MediaStreamTrack} track */
  async startScreen(track) {
    const transceiver = this.#senders.get('screen');
    if (transceiver === undefined) {
      this.#addSender('screen', track, { sendEncodings: [{ maxBitrate: SCREEN_MAX_BITRATE_BPS }] });
    } else {
      await transceiver.sender.replaceTrack(track);
      transceiver.direction = 'sendonly';
    }
    await this.#offer();
  }

  async stopScreen() {
    const transceiver = this.#senders.get('screen');
    if (transceiver === undefined || transceiver.direction === 'inactive') return;
    transceiver.direction = 'inactive';
    await transceiver.sender.replaceTrack(null);
    await this.#offer();
  }

  /** Find a new network path for the same transport. */
  restartIce() {
    clearTimeout(this.#restartTimer);
    const waitMs = this.#lastRestartAt + RESTART_INTERVAL_MS - performance.now();
    if (this.#isClosed) return;
    if (waitMs > 0) {
      this.#restartTimer = setTimeout(() => this.restartIce(), waitMs);
      return;
    }
    this.#lastRestartAt = performance.now();
    this.#restarts += 1;
    if (this.#restarts > MAX_RESTARTS) {
      this.dispatchEvent(new CustomEvent('unusable'));
      return;
    }
    this.peerConnection.restartIce();
    void this.#offer();
  }

  /** Repeat an offer whose answer was lost with the socket. */
  retryOffer() {
    if (this.peerConnection.signalingState === 'have-local-offer') void this.#offer();
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#restartTimer);
    this.peerConnection.close();
  }

  /** @param {TrackSource} source @param {MediaStreamTrack | 'audio' | 'video'} track @param {RTCRtpTransceiverInit} init */
  #addSender(source, track, init) {
    const transceiver = this.peerConnection.addTransceiver(track, { direction: 'sendonly', ...init });
    this.protection?.protectSender(source, transceiver.sender);
    this.#senders.set(source, transceiver);
  }

  /** @param {number} count */
  #addVideoReceivers(count) {
    const codecs = receivableCodecs(RTCRtpReceiver.getCapabilities?.('video')?.codecs ?? []);
    for (let added = 0; added < count; added += 1) {
      const transceiver = this.peerConnection.addTransceiver('video', { direction: 'recvonly' });
      this.protection?.protectReceiver('video', transceiver.receiver);
      shorten(transceiver, codecs);
      this.#videoReceivers.push(transceiver);
    }
  }

  /** One offer at a time; wishes that arrive meanwhile are joined into the next. */
  async #offer() {
    this.#wantsOffer = true;
    if (this.#isNegotiating) return;
    this.#isNegotiating = true;
    try {
      while (this.#wantsOffer && !this.#isClosed) {
        this.#wantsOffer = false;
        await this.#offerOnce();
      }
    } catch (error) {
      // Without a socket nothing was restarted: that does not count against the transport.
      if (error instanceof ProtocolError && error.code === 'disconnected') this.#restarts = 0;
      if (!this.#isClosed) this.dispatchEvent(new CustomEvent('negotiation_failed', { detail: error }));
    } finally {
      this.#isNegotiating = false;
    }
  }

  async #offerOnce() {
    const peerConnection = this.peerConnection;
    await peerConnection.setLocalDescription(await peerConnection.createOffer());
    const sdp = peerConnection.localDescription?.sdp ?? '';
    const answer = await this.negotiate(sdp, this.#tracks());
    if (this.#isClosed) return;
    const unprotectable = this.protection === null ? [] : unprotectableCodecs(answer);
    if (unprotectable.length > 0) throw new ProtocolError('bad_reply', `codecs in clear: ${unprotectable.join(' ')}`);
    await peerConnection.setRemoteDescription({ type: 'answer', sdp: answer });
    this.dispatchEvent(new CustomEvent('streams'));
  }

  /** What each sending m-line carries. @returns {Record<string, TrackSource>} */
  #tracks() {
    /** @type {Record<string, TrackSource>} */
    const tracks = {};
    for (const [source, { mid, direction }] of this.#senders) {
      if (mid !== null && direction === 'sendonly') tracks[mid] = source;
    }
    return tracks;
  }

  #handleState() {
    if (this.#isClosed) return;
    const { connectionState, iceConnectionState } = this.peerConnection;
    this.dispatchEvent(new CustomEvent('state', { detail: connectionState }));
    // Both events come for one change: act once.
    const state = `${connectionState} ${iceConnectionState}`;
    if (state === this.#handledState) return;
    this.#handledState = state;
    clearTimeout(this.#restartTimer);
    if (connectionState === 'connected') {
      this.#restarts = 0;
    } else if (iceConnectionState === 'failed') {
      this.restartIce();
    } else if (connectionState === 'failed') {
      // DTLS failed although ICE did not: the association cannot be revived.
      this.dispatchEvent(new CustomEvent('unusable'));
    } else if (iceConnectionState === 'disconnected') {
      this.#restartTimer = setTimeout(() => this.restartIce(), DISCONNECTED_GRACE_MS);
    }
  }
}

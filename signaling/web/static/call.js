// One participant's call: joins protocol, media and own tracks, and keeps the state of the room.
// Knows no page: views read `state` and call the methods. Events: `change`, `notice` {Notice},
// `streams` (m-lines known, grown or new), `ended` {code, reason}.

import { Encryption } from './encryption.js';
import { MediaConnection, mostVideoStreams } from './media_connection.js';
import { OwnTracks } from './own_tracks.js';
import { Protocol, ProtocolError } from './protocol.js';
import { assignStreams, streamsToOffer } from './layout.js';
import { noticesOf, reduce, stateFromJoined } from './room_state.js';

/** @import { ClientMessage, Joined, Notification, TrackSource } from './messages.js' */
/** @import { Devices, DeviceKind } from './devices.js' */
/** @import { RoomState, Notice } from './room_state.js' */
/** @import { Wanted } from './layout.js' */

const LAYOUT_INTERVAL_MS = 200;
/** Between attempts at a new transport when the last one was refused or failed. */
const MEDIA_RETRY_MS = 2000;
/** Requests a person made: a refusal is shown. Others repeat themselves. */
const PERSONAL_REQUESTS = new Set(['hand', 'chat', 'allow', 'kick', 'close_room', 'admit', 'refuse', 'move_back']);

/** @type {Map<string, string>} */
const REFUSAL_NOTICES = new Map([
  ['rate_limited', 'notice.too_fast'],
  ['too_early', 'notice.too_early'],
  ['unknown_knock', 'notice.knock_gone'],
  ['room_unavailable', 'notice.unavailable'],
]);

/**
 * @typedef {object} CallOptions
 * @property {string} url  WebSocket address.
 * @property {() => Promise<string>} obtainToken  A new token: the first join, and after a failed resume.
 * @property {Devices} devices
 * @property {Record<DeviceKind, boolean>} muted  How to enter.
 * @property {number} videoStep  Receive-only video m-lines are offered in steps of this.
 * @property {number} maxVideoStreams
 * @property {boolean} mayBePlain  Whether a person may agree to go on with a browser that cannot encrypt.
 * @property {boolean} isEncrypted  End to end. Set by the page, not by what the server says later.
 */

export class Call extends EventTarget {
  /** @type {RoomState | null} */
  state = null;
  /** @type {'connected' | 'lost' | 'ended'} */
  link = 'connected';
  /** @type {MediaConnection | null} */
  media = null;
  roundTripMs = 0;
  /** Secret of the receipt of a kep call; kept nowhere else. */
  receiptSecret = '';
  /** Tile key → mid. @type {Map<string, string>} */
  assignment = new Map();
  /** @type {readonly Wanted[]} */
  #wanted = [];
  #sentLayout = '';
  /** @type {number | undefined} */
  #layoutTimer;
  /** @type {number | undefined} */
  #mediaTimer;
  #audioStreams = 0;
  #maxVideoStreams;
  /** @type {Protocol} */
  #protocol;

  /** @param {CallOptions} options */
  constructor(options) {
    super();
    this.options = options;
    this.#maxVideoStreams = options.maxVideoStreams;
    this.own = new OwnTracks(options.devices, options.muted, (message) => this.#request(message));
    this.own.addEventListener('change', () => this.#changed());
    this.own.addEventListener('notice', (event) => this.#notice(detailOf(event)));
    this.encryption = options.isEncrypted ? this.#newEncryption() : null;
    this.#protocol = this.#newProtocol();
  }

  /** Enter. Throws ProtocolError if the server does not let us. */
  async join() {
    const token = await this.options.obtainToken();
    this.#enter(await this.#join(token));
    window.addEventListener('online', this.#handleOnline);
  }

  /** @param {boolean} raised @param {string} [participant] Another's hand: moderators may lower it. */
  raiseHand(raised, participant) {
    void this.#request({ type: 'hand', raised, ...(participant === undefined ? {} : { participant }) });
  }

  /** @param {string} text @returns {Promise<boolean>} Whether the server took it. */
  sendChat(text) {
    return this.#request({ type: 'chat', text });
  }

  /** @param {string} participant @param {TrackSource} source @param {boolean} allowed */
  allow(participant, source, allowed) {
    void this.#request({ type: 'allow', participant, source, allowed });
  }

  /** @param {string} participant */
  kick(participant) {
    void this.#request({ type: 'kick', participant, reason: '' });
  }

  /** Let somebody in who waits at the door; everybody invited without an id. @param {string} [knock] */
  admit(knock) {
    void this.#request({ type: 'admit', ...(knock === undefined ? {} : { knock }) });
  }

  /** @param {string} knock @param {string} reason */
  refuse(knock, reason) {
    void this.#request({ type: 'refuse', knock, reason });
  }

  /** @param {string} participant */
  moveBack(participant) {
    void this.#request({ type: 'move_back', participant, reason: '' });
  }

  /** End the meeting for everybody. */
  closeRoom() {
    void this.#request({ type: 'close_room', reason: '' });
  }

  async leave() {
    const leaving = this.#protocol.leave();
    this.#end('left', '');
    await leaving;
  }

  /** The pictures the page shows now, most important first. @param {readonly Wanted[]} wanted */
  show(wanted) {
    this.#wanted = wanted;
    void this.media?.ensureVideoStreams(this.#videoStreams());
    this.#scheduleLayout();
  }

  /** Whether own sound or picture reaches the others. @param {DeviceKind} source */
  isSending(source) {
    const isAllowed = this.state?.grants[source] ?? false;
    return isAllowed && !this.own.muted[source] && this.own.devices.tracks[source] !== null;
  }

  /** Send a sharp, still picture, or the usual one again.
   * @param {{ maxFramerate: number, maxBitrate: number } | null} limits */
  async setSharpCamera(limits) {
    const track = this.own.devices.tracks.camera;
    if (track !== null) track.contentHint = limits === null ? '' : 'detail';
    await this.media?.limitCamera(limits);
  }

  /** Throw the socket away as a lost network would. For tests. */
  loseSocket() {
    this.#protocol.reset();
  }

  /** @param {string} token */
  #join(token) {
    return this.#protocol.join(token, this.encryption === null ? 'off' : 'on');
  }

  #newEncryption() {
    const send = (/** @type {string} */ participant, /** @type {string} */ payload) =>
      void this.#request({ type: 'keys', participant, payload });
    const encryption = new Encryption(send, this.options.mayBePlain);
    encryption.addEventListener('change', () => this.#changed());
    encryption.addEventListener('notice', (event) => this.#notice(detailOf(event)));
    // Without the worker no frame passes in either direction. Say so, rather than show nothing.
    encryption.addEventListener('failed', () => this.#end('encryption_failed', ''));
    return encryption;
  }

  #newProtocol() {
    const protocol = new Protocol(this.options.url);
    protocol.addEventListener('notification', (event) => this.#handleNotification(detailOf(event)));
    protocol.addEventListener('resumed', (event) => this.#handleResumed(detailOf(event)));
    protocol.addEventListener('lost', () => this.#setLink('lost'));
    protocol.addEventListener('ended', (event) => void this.#handleEnded(detailOf(event).code));
    protocol.addEventListener('round_trip', (event) => (this.roundTripMs = detailOf(event)));
    return protocol;
  }

  /** A fresh participant: new identity, new transport. @param {Joined} joined */
  #enter(joined) {
    this.state = stateFromJoined(joined, this.state);
    this.#audioStreams = joined.audio_streams;
    this.#maxVideoStreams = Math.min(this.options.maxVideoStreams, joined.max_video_streams, mostVideoStreams());
    this.own.applyGrants(joined.grants);
    this.#setLink('connected');
    this.encryption?.begin(joined.room, joined.participant);
    this.#startMedia();
    this.encryption?.update(this.state, this.media);
  }

  /** @param {Joined} joined */
  #handleResumed(joined) {
    if (!joined.resumed) return this.#enter(joined);
    this.state = stateFromJoined(joined, this.state);
    this.#sentLayout = '';
    this.own.applyGrants(joined.grants);
    this.#setLink('connected');
    this.#notice({ key: 'notice.resumed' });
    this.encryption?.update(this.state, this.media);
    this.encryption?.handleResumed();
    this.media?.retryOffer();
    this.own.tellMuted();
    this.#scheduleLayout();
  }

  /** @param {Notification} message */
  #handleNotification(message) {
    if (this.state === null || this.link === 'ended') return;
    const before = this.state;
    this.state = reduce(before, message);
    for (const notice of noticesOf(before, message)) this.#notice(notice);
    this.encryption?.update(this.state, this.media);
    this.#act(before, message);
    this.#changed();
  }

  /** What a notification asks of this client. @param {RoomState} before @param {Notification} message */
  #act(before, message) {
    if (message.type === 'media_lost') this.#startMedia();
    if (message.type === 'call_state') this.dispatchEvent(new CustomEvent('call_state', { detail: message.call }));
    if (message.type === 'peer_keys') this.encryption?.handleKeys(message.participant, message.payload);
    if (message.type === 'receipt') this.receiptSecret = message.secret;
    if (message.type === 'media_state') this.#handleMediaState(message.state);
    if (message.type === 'grants_changed') this.own.applyGrants(message.grants);
    if (message.type === 'kicked' || message.type === 'room_closed' || message.type === 'moved_back') {
      this.#end(message.type, message.reason);
    }
    if (message.type === 'participant_left' && message.participant === before.self) {
      this.#end(message.reason === 'lost' ? 'resume_failed' : message.reason, '');
    }
  }

  /** @param {string} state Of this client's transport, as the server sees it. */
  #handleMediaState(state) {
    if (state === 'disconnected') this.media?.restartIce();
    // After a resume: a transport that we have used and the server does not know.
    const isUnknown = state === 'new' && this.media?.peerConnection.connectionState === 'connected';
    if (state === 'failed' || state === 'closed' || isUnknown) this.#restartMediaSoon();
  }

  /** @param {string} code */
  async #handleEnded(code) {
    if (this.link === 'ended') return;
    if (code !== 'resume_failed') return this.#end(code, '');
    // The server forgot us (more than 30 s without a socket): come back as a new participant.
    try {
      this.#protocol = this.#newProtocol();
      const token = await this.options.obtainToken();
      this.#enter(await this.#join(token));
      this.#notice({ key: 'notice.resumed' });
    } catch {
      this.#end('resume_failed', '');
    }
  }

  #startMedia() {
    clearTimeout(this.#mediaTimer);
    this.#mediaTimer = undefined;
    this.media?.close();
    this.assignment = new Map();
    this.#sentLayout = '';
    const media = new MediaConnection((sdp, tracks) => this.#negotiate(sdp, tracks), this.encryption?.protection);
    this.media = media;
    // A track can only be muted once its m-line is known to the server.
    media.addEventListener('streams', () => this.own.tellMuted(), { once: true });
    media.addEventListener('streams', () => this.#handleStreams());
    media.addEventListener('state', () => this.#changed());
    media.addEventListener('negotiation_failed', (event) => this.#handleOfferFailure(detailOf(event)));
    media.addEventListener('unusable', () => this.#restartMediaSoon());
    const streams = { audioStreams: this.#audioStreams, videoStreams: this.#videoStreams() };
    void media.start({ ...this.own.captured, ...streams });
    this.own.attach(media);
  }

  #restartMediaSoon() {
    this.#mediaTimer ??= setTimeout(() => {
      this.#mediaTimer = undefined;
      if (this.link !== 'ended') this.#startMedia();
    }, MEDIA_RETRY_MS);
  }

  #videoStreams() {
    const active = this.#wanted.filter((each) => each.height > 0).length;
    return streamsToOffer(active, this.options.videoStep, this.#maxVideoStreams);
  }

  /** @param {string} sdp @param {Record<string, TrackSource>} tracks @returns {Promise<string>} */
  async #negotiate(sdp, tracks) {
    const reply = await this.#protocol.request({ type: 'offer', sdp, tracks });
    if (reply.type !== 'answer') throw new ProtocolError('bad_reply', `${reply.type} instead of answer`);
    return reply.sdp;
  }

  #handleStreams() {
    if (this.state !== null) this.encryption?.update(this.state, this.media);
    this.#scheduleLayout();
    this.dispatchEvent(new CustomEvent('streams'));
  }

  /** @param {Error} error */
  #handleOfferFailure(error) {
    const code = error instanceof ProtocolError ? error.code : error.name;
    // A lost socket repeats the offer when it resumes.
    if (code === 'disconnected' || this.link !== 'connected') return;
    console.warn('offer refused:', code, error.message);
    this.#notice({ key: 'notice.media_failed', isImportant: true });
    this.#restartMediaSoon();
  }

  #handleOnline = () => {
    this.#protocol.retryNow();
    this.media?.restartIce();
  };

  #scheduleLayout() {
    this.#layoutTimer ??= setTimeout(() => {
      this.#layoutTimer = undefined;
      this.#sendLayout();
    }, LAYOUT_INTERVAL_MS);
  }

  #sendLayout() {
    const { assignment, wishes } = assignStreams(
      this.assignment,
      this.#wanted,
      this.media?.answeredVideoMids ?? [],
    );
    this.assignment = assignment;
    const text = JSON.stringify(wishes);
    if (text === this.#sentLayout || this.link !== 'connected' || this.media === null) return;
    this.#sentLayout = text;
    void this.#request({ type: 'layout', video: wishes });
    this.#changed();
  }

  /** @param {ClientMessage} message @returns {Promise<boolean>} Whether it was done. */
  async #request(message) {
    try {
      await this.#protocol.request(message);
      return true;
    } catch (error) {
      const code = error instanceof ProtocolError ? error.code : 'unknown';
      if (code !== 'disconnected') console.warn('request refused:', message.type, code);
      if (PERSONAL_REQUESTS.has(message.type)) {
        this.#notice({
          key: REFUSAL_NOTICES.get(code) ?? 'notice.refused',
          isImportant: true,
        });
      }
      return false;
    }
  }

  /** @param {'connected' | 'lost'} link */
  #setLink(link) {
    if (this.link === 'ended') return;
    this.link = link;
    this.#changed();
  }

  /** @param {string} code @param {string} reason */
  #end(code, reason) {
    if (this.link === 'ended') return;
    this.link = 'ended';
    clearTimeout(this.#layoutTimer);
    clearTimeout(this.#mediaTimer);
    window.removeEventListener('online', this.#handleOnline);
    this.media?.close();
    this.encryption?.close();
    this.own.close();
    if (code !== 'left') void this.#protocol.leave();
    this.dispatchEvent(new CustomEvent('ended', { detail: { code, reason } }));
  }

  /** @param {Notice} notice */
  #notice(notice) {
    this.dispatchEvent(new CustomEvent('notice', { detail: notice }));
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('change'));
  }
}

/** @param {Event} event */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}

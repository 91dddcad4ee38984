// Offers and restarts of the transport, against a recorded stand-in for the browser's own object.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MediaConnection } from '../../signaling/web/static/media_connection.js';
import { ProtocolError } from '../../signaling/web/static/protocol.js';

/** Keeps what a browser would: transceivers with mids from the first offer on, and signalling state. */
class RecordedPeerConnection extends EventTarget {
  constructor() {
    super();
    this.transceivers = [];
    this.connectionState = 'new';
    this.iceConnectionState = 'new';
    this.signalingState = 'stable';
    this.restarts = 0;
  }
  addTransceiver(track, init) {
    const sender = { track: null, replaceTrack: async (next) => (sender.track = next) };
    const transceiver = {
      mid: null,
      currentDirection: null,
      ...init,
      sender,
      receiver: { track: { kind: track } },
    };
    this.transceivers.push(transceiver);
    return transceiver;
  }
  async createOffer() {
    return { type: 'offer', sdp: `offer of ${this.transceivers.length}` };
  }
  async setLocalDescription(description) {
    this.localDescription = description;
    this.signalingState = 'have-local-offer';
    this.transceivers.forEach((each, index) => (each.mid = String(index)));
  }
  async setRemoteDescription() {
    this.signalingState = 'stable';
    for (const each of this.transceivers) each.currentDirection = each.direction;
  }
  restartIce() {
    this.restarts += 1;
  }
  close() {
    this.connectionState = 'closed';
  }
  become(connectionState, iceConnectionState) {
    Object.assign(this, { connectionState, iceConnectionState });
    this.dispatchEvent(new Event('iceconnectionstatechange'));
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}
beforeEach(() => {
  globalThis.RTCPeerConnection = RecordedPeerConnection;
});

const START = { microphone: null, camera: null, audioStreams: 3, videoStreams: 8 };
const settle = async () => {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
};

/** A started connection, the offers it made, and the events it gave. */
async function started(negotiate = async () => 'answer') {
  const offers = [];
  const events = [];
  const media = new MediaConnection((sdp, tracks) => {
    offers.push({ sdp, tracks });
    return negotiate(offers.length);
  });
  for (const name of ['streams', 'unusable', 'negotiation_failed'])
    media.addEventListener(name, () => events.push(name));
  await media.start(START);
  return { media, offers, events, peer: media.peerConnection };
}

/** Virtual time for timers and for the monotonic clock alike. */
function virtualTime(context) {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 10_000;
  context.mock.method(performance, 'now', () => now);
  return async (ms) => {
    now += ms;
    context.mock.timers.tick(ms);
    await settle();
  };
}

test('one offer names what is sent and has all m-lines', async () => {
  const { offers, media } = await started();

  assert.deepEqual(offers, [{ sdp: 'offer of 13', tracks: { 0: 'microphone', 1: 'camera' } }]);
  assert.deepEqual(media.answeredVideoMids, ['5', '6', '7', '8', '9', '10', '11', '12']);
});

test('m-lines that are not answered yet are not used', async () => {
  let answer;
  const { media } = await started((count) =>
    count === 1 ? 'answer' : new Promise((resolve) => (answer = resolve)),
  );

  const growing = media.ensureVideoStreams(10);
  await settle();
  assert.equal(media.answeredVideoMids.length, 8);
  answer('answer');
  await growing;

  assert.equal(media.answeredVideoMids.length, 10);
});

test('wishes during a negotiation become one further offer', async () => {
  let answer;
  const { media, offers } = await started((count) =>
    count === 2 ? new Promise((resolve) => (answer = resolve)) : 'answer',
  );

  const growing = media.ensureVideoStreams(9);
  await settle();
  void media.ensureVideoStreams(10);
  void media.startScreen({ kind: 'video' });
  await settle();
  assert.equal(offers.length, 2);
  answer('answer');
  await growing;
  await settle();

  assert.equal(offers.length, 3);
  assert.equal(offers[2].sdp, 'offer of 16');
  assert.equal(offers[2].tracks[15], 'screen');
});

test('a stopped screen is named no more, and the next one uses its m-line again', async () => {
  const { media, offers, peer } = await started();

  await media.startScreen({ kind: 'video' });
  await media.stopScreen();
  await media.startScreen({ kind: 'video' });

  assert.deepEqual(
    offers.map(({ tracks }) => Object.values(tracks).includes('screen')),
    [false, true, false, true],
  );
  assert.equal(peer.transceivers.length, 14);
});

test('a short disconnection heals by itself, a longer one restarts ICE once', async (context) => {
  const pass = virtualTime(context);
  const { peer, offers } = await started();

  peer.become('disconnected', 'disconnected');
  await pass(1000);
  peer.become('connected', 'connected');
  await pass(5000);
  assert.equal(peer.restarts, 0);

  peer.become('disconnected', 'disconnected');
  await pass(1500);
  assert.equal(peer.restarts, 1);
  assert.equal(offers.length, 2);
});

test('one failure, told by two events, is one restart', async (context) => {
  const pass = virtualTime(context);
  const { peer } = await started();

  peer.become('failed', 'failed');
  await pass(10_000);

  assert.equal(peer.restarts, 1);
});

test('restarts are at least three seconds apart', async (context) => {
  const pass = virtualTime(context);
  const { media, peer } = await started();

  media.restartIce();
  media.restartIce();
  media.restartIce();
  await pass(2999);
  assert.equal(peer.restarts, 1);
  await pass(1);

  assert.equal(peer.restarts, 2);
});

test('a path that cannot be found makes the transport unusable', async (context) => {
  const pass = virtualTime(context);
  const { peer, events } = await started();

  for (let round = 0; round < 5; round += 1) {
    peer.become('failed', 'failed');
    await pass(3000);
    peer.become('connecting', 'checking');
    await pass(3000);
  }

  assert.equal(peer.restarts, 4);
  assert.ok(events.includes('unusable'));
});

test('failed DTLS makes the transport unusable at once', async () => {
  const { peer, events } = await started();

  peer.become('failed', 'connected');

  assert.deepEqual(events, ['streams', 'unusable']);
});

test('attempts without a socket do not count, and the offer is repeated when it is back', async (context) => {
  const pass = virtualTime(context);
  let isConnected = true;
  const { media, peer, offers, events } = await started(async () => {
    if (!isConnected) throw new ProtocolError('disconnected', '');
    return 'answer';
  });

  isConnected = false;
  for (let round = 0; round < 8; round += 1) {
    media.restartIce();
    await pass(3000);
  }
  assert.ok(!events.includes('unusable'));
  isConnected = true;
  const before = offers.length;
  media.retryOffer();
  await settle();

  assert.equal(offers.length, before + 1);
  assert.equal(peer.signalingState, 'stable');
});

test('after it is closed nothing is offered', async () => {
  const { media, offers } = await started();

  media.close();
  await media.ensureVideoStreams(20);
  media.restartIce();
  await settle();

  assert.equal(offers.length, 1);
});

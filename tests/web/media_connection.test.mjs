// Offers and restarts of the transport, against a recorded stand-in for the browser's own object.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MediaConnection, mostVideoStreams, receivableCodecs } from '../../signaling/web/static/media_connection.js';
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
const CAPABILITIES = [
  { mimeType: 'video/VP8' },
  { mimeType: 'video/rtx' },
  { mimeType: 'video/VP9', sdpFmtpLine: 'profile-id=0' },
  { mimeType: 'video/VP9', sdpFmtpLine: 'profile-id=2' },
  ...['42001f', '42e01f', '4d001f', '64001f', '640C1F'].flatMap((profile) =>
    [0, 1].map((mode) => ({
      mimeType: 'video/H264',
      sdpFmtpLine: `level-asymmetry-allowed=1;packetization-mode=${mode};profile-level-id=${profile}`,
    })),
  ),
  { mimeType: 'video/H264' },
  { mimeType: 'video/AV1', sdpFmtpLine: 'level-idx=5;profile=0;tier=0' },
  { mimeType: 'video/AV1', sdpFmtpLine: 'level-idx=5;profile=1;tier=0' },
  { mimeType: 'video/H265', sdpFmtpLine: 'level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST' },
  { mimeType: 'video/red' },
  { mimeType: 'video/ulpfec' },
  { mimeType: 'video/flexfec-03', sdpFmtpLine: 'repair-window=10000000' },
];
beforeEach(() => {
  globalThis.RTCPeerConnection = RecordedPeerConnection;
  globalThis.RTCRtpReceiver = { getCapabilities: () => ({ codecs: CAPABILITIES }) };
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

test('only codecs that the server forwards are worth an offer', () => {
  const kept = receivableCodecs(CAPABILITIES).map(
    ({ mimeType, sdpFmtpLine = '' }) => `${mimeType} ${/(?:level|profile)-id=(\w+)/.exec(sdpFmtpLine)?.[1] ?? ''}`,
  );

  assert.deepEqual(kept, [
    'video/VP8 ',
    'video/rtx ',
    'video/VP9 0',
    'video/H264 42001f',
    'video/H264 42e01f',
    'video/H264 64001f',
    'video/H264 640C1F',
    'video/AV1 ',
  ]);
});

test('receive-only video m-lines are made short where the browser can, the camera’s is left whole', async () => {
  const { prototype } = RecordedPeerConnection;
  const add = prototype.addTransceiver;
  prototype.addTransceiver = function (track, init) {
    return Object.assign(add.call(this, track, init), {
      setCodecPreferences(codecs) {
        this.codecs = codecs;
      },
      getHeaderExtensionsToNegotiate: () => [
        { uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', direction: 'sendrecv' },
        { uri: 'http://www.webrtc.org/experiments/rtp-hdrext/video-timing', direction: 'sendrecv' },
      ],
      setHeaderExtensionsToNegotiate(wanted) {
        this.directions = wanted.map(({ direction }) => direction);
      },
    });
  };
  try {
    const { peer } = await started();
    const [microphone, camera, ...receivers] = peer.transceivers;

    for (const whole of [microphone, camera, ...receivers.slice(0, 3)]) assert.equal(whole.codecs, undefined);
    for (const short of receivers.slice(3)) {
      assert.equal(short.codecs.length, 8);
      assert.deepEqual(short.directions, ['sendrecv', 'stopped']);
    }
  } finally {
    prototype.addTransceiver = add;
  }
});

test('as many m-lines are offered as fit, by what the browser can leave out', () => {
  const methods = ['setCodecPreferences', 'setHeaderExtensionsToNegotiate'];
  const most = methods.map((_, count) => methods.slice(0, count + 1)).concat([[]]);
  const found = most.map((names) => {
    globalThis.RTCRtpTransceiver = class {};
    for (const name of names) globalThis.RTCRtpTransceiver.prototype[name] = () => {};
    return mostVideoStreams();
  });

  assert.deepEqual(found, [16, 20, 12]);
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

test('every sender and receiver is protected before anything is offered, later ones too', async () => {
  const protectedOnes = [];
  const protection = {
    protectSender: (source, sender) => protectedOnes.push([source, sender]),
    protectReceiver: (kind, receiver) => protectedOnes.push([kind, receiver]),
  };
  const offeredWith = [];
  const media = new MediaConnection(async () => {
    offeredWith.push(protectedOnes.length);
    return 'a=rtpmap:96 VP8/90000\r\n';
  }, protection);
  await media.start({ microphone: null, camera: null, audioStreams: 3, videoStreams: 4 });
  await media.ensureVideoStreams(6);
  await media.startScreen({ kind: 'video' });
  assert.deepEqual(offeredWith, [9, 11, 12]);
  const ends = media.peerConnection.transceivers.flatMap(({ direction, sender, receiver }) =>
    direction === 'sendonly' ? sender : receiver,
  );
  assert.deepEqual(new Set(protectedOnes.map(([, end]) => end)), new Set(ends));
});

test('an answer with a codec that would stay in clear is not taken', async () => {
  const protection = { protectSender() {}, protectReceiver() {} };
  const media = new MediaConnection(async () => 'a=rtpmap:102 H264/90000\r\n', protection);
  let failure = null;
  media.addEventListener('negotiation_failed', ({ detail }) => (failure = detail));
  await media.start({ microphone: null, camera: null, audioStreams: 1, videoStreams: 1 });
  assert.match(failure.message, /in clear: h264/);
  assert.equal(media.peerConnection.signalingState, 'have-local-offer');
});

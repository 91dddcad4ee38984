// Which frames are sealed, which are opened, and what is dropped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FORMER_KEY_MS,
  Opener,
  REPLAY_WINDOW,
  ReplayWindow,
  Sealer,
} from '../../signaling/web/static/e2ee/frame_cipher.js';

const SECRET = new Uint8Array(32).fill(7);
const OTHER_SECRET = new Uint8Array(32).fill(8);
const CAMERA = { participant: 'anna', source: 'camera' };
const KEYFRAME = Uint8Array.from([0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0, ...Array(500).fill(0x5a)]);
const DELTA = Uint8Array.from([0x31, 2, 0, ...Array(300).fill(0x5a)]);
const SOUND = Uint8Array.from([0x78, ...Array(80).fill(0x5a)]);

async function ends() {
  const sealer = new Sealer();
  const opener = new Opener();
  await sealer.use(5, SECRET);
  await opener.install('anna', 5, SECRET, 0);
  return { sealer, opener };
}
const sealed = async (sealer, source, data) => (await sealer.seal(source, data)).data;
const opened = (opener, data, expected = CAMERA, now = 0, kind = 'video') => opener.open(kind, expected, data, now);

test('frames come back as they were; only the codec’s first bytes are in clear on the way', async () => {
  const { sealer, opener } = await ends();
  for (const [source, kind, data, clear] of [
    ['camera', 'video', KEYFRAME, 10],
    ['camera', 'video', DELTA, 3],
    ['microphone', 'audio', SOUND, 1],
  ]) {
    const wire = await sealed(sealer, source, data);
    assert.deepEqual(wire.subarray(0, clear), data.subarray(0, clear));
    assert.equal(Buffer.from(wire).includes(Buffer.alloc(4, 0x5a)), false);
    assert.ok(wire.length - data.length <= 1 + 5 + 1 + 16, `${wire.length - data.length} bytes more`);
    const expected = kind === 'audio' ? 'anybody' : CAMERA;
    assert.deepEqual(await opened(opener, wire, expected, 0, kind), { data });
  }
});

test('no counter is used twice, even by frames of three encodings at once', async () => {
  const { sealer } = await ends();
  const frames = await Promise.all(Array.from({ length: 300 }, () => sealed(sealer, 'camera', DELTA)));
  assert.equal(new Set(frames.map((frame) => Buffer.from(frame).toString('hex'))).size, 300);
  // The same plaintext, clear bytes and key: only the counter keeps them apart.
  await assert.rejects(sealer.use(5, SECRET), /used once/);
});

test('nothing goes out without a key', async () => {
  const sealer = new Sealer();
  assert.deepEqual(await sealer.seal('camera', DELTA), { drop: 'no_key' });
  await sealer.use(1, SECRET);
  assert.ok('data' in (await sealer.seal('camera', DELTA)));
  sealer.stop();
  assert.deepEqual(await sealer.seal('camera', DELTA), { drop: 'no_key' });
});

test('what would be left in clear is not sent', async () => {
  const { sealer } = await ends();
  assert.deepEqual(await sealer.seal('camera', new Uint8Array()), { drop: 'empty' });
  assert.deepEqual(await sealer.seal('camera', KEYFRAME.subarray(0, 9)), { drop: 'too_short' });
});

test('plain frames are dropped', async () => {
  const { opener } = await ends();
  for (const data of [KEYFRAME, DELTA]) assert.ok('drop' in (await opened(opener, data)));
  assert.ok('drop' in (await opened(opener, SOUND, 'anybody', 0, 'audio')));
  for (const size of [0, 1, 2, 3, 10, 11, 20]) {
    assert.ok('drop' in (await opened(opener, KEYFRAME.subarray(0, size))), `${size} bytes`);
  }
});

test('clear bytes are authenticated: a delta frame cannot be made a keyframe', async () => {
  const { sealer, opener } = await ends();
  const wire = await sealed(sealer, 'camera', KEYFRAME);
  wire[6] ^= 1; // the width
  assert.deepEqual(await opened(opener, wire), { drop: 'forged' });
});

test('a frame opens once; reordered frames open, those beyond the window do not', async () => {
  const { sealer, opener } = await ends();
  const frames = [];
  for (let count = 0; count < REPLAY_WINDOW + 2; count += 1) frames.push(await sealed(sealer, 'camera', DELTA));
  assert.ok('data' in (await opened(opener, frames[3])));
  assert.ok('data' in (await opened(opener, frames[2])));
  assert.deepEqual(await opened(opener, frames[3]), { drop: 'replayed' });
  assert.ok('data' in (await opened(opener, frames[REPLAY_WINDOW])));
  assert.deepEqual(await opened(opener, frames[0]), { drop: 'replayed' });
  assert.ok('data' in (await opened(opener, frames[1])));
  const twice = await Promise.all([opened(opener, frames.at(-1)), opened(opener, frames.at(-1))]);
  assert.equal(twice.filter((outcome) => 'data' in outcome).length, 1);
});

test('a forged frame with a high counter does not move the window', async () => {
  const { sealer, opener } = await ends();
  const first = await sealed(sealer, 'camera', DELTA);
  for (let count = 0; count < 3 * REPLAY_WINDOW; count += 1) await sealer.seal('camera', DELTA);
  const last = await sealed(sealer, 'camera', DELTA);
  last[last.length - 1] ^= 1;
  assert.deepEqual(await opened(opener, last), { drop: 'forged' });
  assert.ok('data' in (await opened(opener, first)));
});

test('the window agrees with a set of everything seen, jumps included', () => {
  const window = new ReplayWindow();
  const seen = new Set();
  let highest = -1;
  let state = 1;
  for (let step = 0; step < 20_000; step += 1) {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    const jump = state % 97 === 0 ? 5000 : (state >> 8) % 40;
    const counter = Math.max(0, highest + jump - 30);
    const isFresh = !seen.has(counter) && counter > highest - REPLAY_WINDOW;
    assert.equal(window.isFresh(counter), isFresh, `${counter} after ${highest}`);
    if (isFresh) window.accept(counter);
    if (isFresh) seen.add(counter);
    highest = Math.max(highest, isFresh ? counter : highest);
  }
});

test('another’s picture, another source and another kind are dropped', async () => {
  const { sealer, opener } = await ends();
  const camera = () => sealed(sealer, 'camera', DELTA);
  const other = { participant: 'vasilis', source: 'camera' };
  assert.deepEqual(await opened(opener, await camera(), other), { drop: 'unexpected_sender' });
  assert.deepEqual(await opened(opener, await camera(), null), { drop: 'unexpected_sender' });
  assert.deepEqual(await opened(opener, await camera(), { ...CAMERA, source: 'screen' }), { drop: 'wrong_source' });
  const wire = await camera();
  const asSound = Uint8Array.from([wire[0], ...wire.subarray(3)]);
  assert.deepEqual(await opened(opener, asSound, 'anybody', 0, 'audio'), { drop: 'wrong_source' });
});

test('a thousand unknown key ids leave the known keys as they were', async () => {
  const { sealer, opener } = await ends();
  for (let setId = 100; setId < 1100; setId += 1) {
    const stranger = new Sealer();
    await stranger.use(setId, OTHER_SECRET);
    assert.deepEqual(await opened(opener, await sealed(stranger, 'camera', DELTA)), { drop: 'unknown_key' });
  }
  assert.ok('data' in (await opened(opener, await sealed(sealer, 'camera', DELTA))));
});

test('a former key opens for a while, then no more; who left is not opened at all', async () => {
  const { sealer, opener } = await ends();
  const [late, later] = [await sealed(sealer, 'camera', DELTA), await sealed(sealer, 'camera', DELTA)];
  await opener.install('anna', 6, OTHER_SECRET, 1000);
  assert.ok('data' in (await opened(opener, late, CAMERA, 1000 + FORMER_KEY_MS)));
  assert.deepEqual(await opened(opener, later, CAMERA, 1001 + FORMER_KEY_MS), { drop: 'expired_key' });
  await sealer.use(6, OTHER_SECRET);
  const wire = await sealed(sealer, 'camera', DELTA);
  opener.forget('anna');
  assert.deepEqual(await opened(opener, wire), { drop: 'unknown_key' });
});

test('nobody takes another’s key ids, and one participant holds three sets at most', async () => {
  const { sealer, opener } = await ends();
  await assert.rejects(opener.install('vasilis', 5, OTHER_SECRET, 0), /taken/);
  for (let setId = 10; setId < 40; setId += 1) await opener.install('vasilis', setId, OTHER_SECRET, 0);
  const old = new Sealer();
  await old.use(10, OTHER_SECRET);
  const expected = { participant: 'vasilis', source: 'camera' };
  assert.deepEqual(await opened(opener, await sealed(old, 'camera', DELTA), expected), { drop: 'unknown_key' });
  assert.ok('data' in (await opened(opener, await sealed(sealer, 'camera', DELTA))));
});

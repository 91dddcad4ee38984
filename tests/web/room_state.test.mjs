// What a client knows of the room after each message, and what it announces.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MAX_CHAT_MESSAGES,
  hasTrack,
  noticesOf,
  raisedHands,
  reduce,
  screenSharer,
  stateFromJoined,
} from '../../signaling/web/static/room_state.js';
import { ALL_GRANTS, joined, participant, track } from './builders.mjs';

const inRoom = (...participants) =>
  stateFromJoined(joined({ participants: [participant('me'), ...participants] }));

test('a participant who arrives, changes and leaves is added, replaced and removed', () => {
  let state = inRoom();

  state = reduce(state, { type: 'participant_joined', participant: participant('a') });
  state = reduce(state, {
    type: 'participant_updated',
    participant: participant('a', { display_name: 'Άννα' }),
  });
  assert.equal(state.participants.get('a').display_name, 'Άννα');

  state = reduce(state, { type: 'participant_left', participant: 'a', reason: 'left' });
  assert.deepEqual([...state.participants.keys()], ['me']);
});

test('the state before a message is left as it was', () => {
  const before = inRoom(participant('a'));

  reduce(before, { type: 'participant_left', participant: 'a', reason: 'left' });
  reduce(before, { type: 'participant_joined', participant: participant('b') });
  reduce(before, { type: 'speakers', participants: ['a'] });

  assert.equal(before.participants.size, 2);
  assert.equal(before.lastSpeaker, null);
});

test('the last speaker is another person, stays in silence and goes with who left', () => {
  let state = inRoom(participant('a'), participant('b'));

  state = reduce(state, { type: 'speakers', participants: ['me', 'b'] });
  assert.equal(state.lastSpeaker, 'b');
  state = reduce(state, { type: 'speakers', participants: [] });
  assert.equal(state.lastSpeaker, 'b');
  state = reduce(state, { type: 'participant_left', participant: 'b', reason: 'left' });
  assert.equal(state.lastSpeaker, null);
});

test('a speaker whom we do not know is not followed', () => {
  const state = reduce(inRoom(participant('a')), { type: 'speakers', participants: ['ghost'] });

  assert.equal(state.lastSpeaker, null);
});

test('a sources message replaces the whole list', () => {
  const source = (mid) => ({ mid, kind: 'video', participant: 'a', source: 'camera' });
  let state = reduce(inRoom(participant('a')), { type: 'sources', sources: [source('5'), source('6')] });

  state = reduce(state, { type: 'sources', sources: [source('6')] });

  assert.deepEqual([...state.sources.keys()], ['6']);
});

test('a lost transport forgets what its m-lines carried', () => {
  const source = { mid: '5', kind: 'video', participant: 'a', source: 'camera' };
  const before = reduce(inRoom(participant('a')), { type: 'sources', sources: [source] });

  assert.equal(reduce(before, { type: 'media_lost' }).sources.size, 0);
});

test('chat keeps the name of its author and only the newest messages', () => {
  let state = inRoom(participant('a', { display_name: 'Άννα' }));
  for (let count = 0; count <= MAX_CHAT_MESSAGES; count += 1) {
    state = reduce(state, { type: 'chat_message', participant: 'a', text: String(count), sent_at: '' });
  }
  state = reduce(state, { type: 'participant_left', participant: 'a', reason: 'left' });

  assert.equal(state.chat.length, MAX_CHAT_MESSAGES);
  assert.equal(state.chat[0].text, '1');
  assert.equal(state.chat[0].name, 'Άννα');
});

test('quality of who is not in the room is not kept', () => {
  const quality = (id) => ({
    participant: id,
    score: 3,
    round_trip_ms: null,
    loss_in_percent: 0,
    loss_out_percent: 0,
  });
  const state = reduce(inRoom(participant('a')), {
    type: 'quality',
    participants: [quality('a'), quality('ghost')],
  });

  assert.deepEqual([...state.quality.keys()], ['a']);
});

test('a resume keeps chat and last speaker, and takes everything else from the server', () => {
  let before = inRoom(participant('a'), participant('b'));
  before = reduce(before, { type: 'speakers', participants: ['a'] });
  before = reduce(before, { type: 'chat_message', participant: 'a', text: 'x', sent_at: '' });

  const after = stateFromJoined(
    joined({ resumed: true, participants: [participant('me'), participant('a')] }),
    before,
  );

  assert.equal(after.lastSpeaker, 'a');
  assert.equal(after.chat.length, 1);
  assert.deepEqual([...after.participants.keys()], ['me', 'a']);
});

test('hands come in the order of their ranks', () => {
  const state = inRoom(
    participant('a', { hand_raised_order: 2 }),
    participant('b'),
    participant('c', { hand_raised_order: 1 }),
  );

  assert.deepEqual(
    raisedHands(state).map((info) => info.participant),
    ['c', 'a'],
  );
});

test('a muted or blocked track is not sent', () => {
  for (const [name, changes, expected] of [
    ['open', {}, true],
    ['muted', { is_muted: true }, false],
    ['blocked', { is_blocked: true }, false],
  ]) {
    assert.equal(
      hasTrack(participant('a', { tracks: [track('camera', changes)] }), 'camera'),
      expected,
      name,
    );
  }
  assert.equal(hasTrack(participant('a', { tracks: [] }), 'camera'), false);
});

test('the own screen is not put on the own stage', () => {
  const withScreen = { tracks: [track('screen')] };
  const own = stateFromJoined(joined({ participants: [participant('me', withScreen), participant('a')] }));

  assert.equal(screenSharer(own), null);
  assert.equal(screenSharer(inRoom(participant('a', withScreen))).participant, 'a');
});

test('each change is announced once, with the name of whom it concerns', () => {
  const before = inRoom(participant('a'));
  const keys = (message) => noticesOf(before, message).map((notice) => notice.key);

  assert.deepEqual(keys({ type: 'participant_joined', participant: participant('b') }), ['notice.joined']);
  assert.deepEqual(keys({ type: 'participant_joined', participant: participant('a') }), []);
  assert.deepEqual(keys({ type: 'participant_left', participant: 'a', reason: 'left' }), ['notice.left']);
  assert.deepEqual(keys({ type: 'participant_left', participant: 'a', reason: 'kicked' }), [
    'notice.was_removed',
  ]);
  assert.deepEqual(keys({ type: 'participant_left', participant: 'a', reason: 'lost' }), ['notice.was_lost']);
  assert.deepEqual(keys({ type: 'participant_left', participant: 'me', reason: 'kicked' }), []);
  assert.deepEqual(keys({ type: 'participant_updated', participant: participant('a') }), []);
  assert.deepEqual(
    keys({ type: 'participant_updated', participant: participant('a', { hand_raised_order: 1 }) }),
    ['notice.hand_up'],
  );
  assert.deepEqual(keys({ type: 'grants_changed', grants: { ...ALL_GRANTS, microphone: false } }), [
    'notice.microphone_forbidden',
  ]);
});

test('a message of a later protocol changes nothing', () => {
  const before = inRoom();

  assert.equal(reduce(before, { type: 'something_new' }), before);
});

test('who waits at the door is kept whole, and each is announced once', () => {
  const before = stateFromJoined(joined());
  const knock = (id, isConnected = true) => ({ knock: id, display_name: `Name ${id}`, is_connected: isConnected });
  const first = { type: 'waiting_room', knocks: [knock('a')] };
  assert.equal(before.knocks, null);
  assert.deepEqual(noticesOf(before, first), [{ key: 'notice.knock', name: 'Name a' }]);
  const state = reduce(before, first);
  assert.deepEqual(noticesOf(state, { type: 'waiting_room', knocks: [knock('a', false), knock('b')] }), [
    { key: 'notice.knock', name: 'Name b' },
  ]);
  assert.deepEqual(reduce(state, { type: 'waiting_room', knocks: [] }).knocks, []);
});

test('the coming end is told with its minutes', () => {
  const state = stateFromJoined(joined());
  const message = { type: 'closing_soon', minutes: 10, closes_at: '2026-01-31T10:15:00Z' };
  assert.deepEqual(noticesOf(state, message), [{ key: 'notice.closing_soon', count: 10, isImportant: true }]);
});

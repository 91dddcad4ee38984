// Who is shown large, and who beside it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SPEAKER_KEY } from '../../signaling/web/static/layout.js';
import { reduce, stateFromJoined } from '../../signaling/web/static/room_state.js';
import { chooseTiles } from '../../signaling/web/static/stage.js';
import { joined, participant, track } from './builders.mjs';

const room = (...others) => stateFromJoined(joined({ participants: [participant('me'), ...others] }));
const people = (tiles) => tiles.map((tile) => tile.participant);

test('the gallery has oneself first, then who has a camera on, and nothing large', () => {
  const state = room(participant('a', { tracks: [track('microphone')] }), participant('b'));

  const { stage, tiles } = chooseTiles(state, 'gallery', null, null);

  assert.equal(stage, null);
  assert.deepEqual(people(tiles), ['me', 'b', 'a']);
});

test('a shared screen is large in both views, and its owner stays among the tiles', () => {
  const state = room(participant('a', { tracks: [track('camera'), track('screen')] }));

  for (const view of ['gallery', 'speaker']) {
    const { stage, tiles } = chooseTiles(state, view, null, null);
    assert.deepEqual([stage.participant, stage.source], ['a', 'screen'], view);
    assert.deepEqual(people(tiles), ['me', 'a'], view);
  }
});

test('who was pinned by hand goes before a shared screen', () => {
  const state = room(participant('a', { tracks: [track('screen')] }), participant('b'));

  assert.equal(chooseTiles(state, 'gallery', 'b', null).stage.participant, 'b');
  assert.equal(chooseTiles(state, 'gallery', 'gone', null).stage.source, 'screen');
});

test('the speaker view shows whom the server sends, not whom we guess', () => {
  const state = reduce(room(participant('a'), participant('b')), { type: 'speakers', participants: ['a'] });

  const { stage, tiles } = chooseTiles(state, 'speaker', null, 'b');

  assert.deepEqual([stage.key, stage.participant], [SPEAKER_KEY, 'b']);
  assert.deepEqual(people(tiles), ['me', 'a']);
});

test('before anybody has spoken the first other participant is large', () => {
  const { stage } = chooseTiles(room(participant('a'), participant('b')), 'speaker', null, null);

  assert.equal(stage.key, 'a:camera');
});

test('alone in the speaker view there is nothing large', () => {
  const { stage, tiles } = chooseTiles(room(), 'speaker', null, null);

  assert.equal(stage, null);
  assert.deepEqual(people(tiles), ['me']);
});

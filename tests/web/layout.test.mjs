// Geometry of tiles, the resolution asked for, and which m-line shows whom.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  SPEAKER_KEY,
  assignStreams,
  chooseHeight,
  layoutGrid,
  streamOf,
  streamsToOffer,
} from '../../signaling/web/static/layout.js';

const wanted = (participant, height = 360) => ({
  key: `${participant}:camera`,
  participant,
  source: 'camera',
  height,
});
const MIDS = ['5', '6', '7'];

test('every tile of a grid that does not scroll lies inside the area', () => {
  for (const [width, height] of [
    [1280, 680],
    [375, 600],
    [320, 460],
    [800, 200],
  ]) {
    for (let count = 1; count <= 60; count += 1) {
      const grid = layoutGrid(width, height, count, 8, 130);
      const usedWidth = grid.columns * grid.tileWidth + (grid.columns - 1) * 8;
      const usedHeight = grid.rows * grid.tileHeight + (grid.rows - 1) * 8;
      assert.ok(grid.columns * grid.rows >= count, `${count} tiles have places`);
      assert.ok(usedWidth <= width, `${count} tiles, ${usedWidth} of ${width} wide`);
      if (!grid.scrolls) assert.ok(usedHeight <= height, `${count} tiles, ${usedHeight} of ${height} high`);
    }
  }
});

test('one tile fills the area, and a phone held upright stacks two', () => {
  assert.deepEqual(layoutGrid(1280, 720, 1, 8, 200), {
    columns: 1,
    rows: 1,
    tileWidth: 1280,
    tileHeight: 720,
    scrolls: false,
  });
  assert.equal(layoutGrid(375, 600, 2, 8, 130).columns, 1);
  assert.equal(layoutGrid(1280, 700, 2, 8, 200).columns, 2);
});

test('tiles too narrow to see anybody scroll instead', () => {
  const grid = layoutGrid(375, 600, 40, 8, 130);

  assert.equal(grid.scrolls, true);
  assert.ok(grid.tileWidth >= 130);
});

test('the asked height is the lowest layer that is sharp enough', () => {
  for (const [cssHeight, ratio, expected] of [
    [0, 1, 0],
    [90, 1, 180],
    [126, 1, 180],
    [216, 1, 180],
    [217, 1, 360],
    [126, 2, 360],
    [337, 1, 360],
    [433, 1, 720],
    [680, 1, 720],
    [680, 2, 1080],
    [2000, 3, 1080],
  ]) {
    assert.equal(chooseHeight(cssHeight, ratio), expected, `${cssHeight} px × ${ratio}`);
  }
});

test('who has an m-line keeps it when others come, go and change places', () => {
  const first = assignStreams(new Map(), [wanted('a'), wanted('b')], MIDS);
  assert.deepEqual(
    [...first.assignment],
    [
      ['a:camera', '5'],
      ['b:camera', '6'],
    ],
  );

  const second = assignStreams(first.assignment, [wanted('c'), wanted('b')], MIDS);

  assert.equal(second.assignment.get('b:camera'), '6');
  assert.equal(second.assignment.get('c:camera'), '5');
});

test('more pictures than m-lines: the most important are served', () => {
  const { wishes } = assignStreams(
    new Map(),
    ['a', 'b', 'c', 'd'].map((id) => wanted(id)),
    MIDS,
  );

  assert.deepEqual(
    wishes.map((wish) => wish.participant),
    ['a', 'b', 'c'],
  );
});

test('an important newcomer takes the m-line of who is no longer served', () => {
  const full = assignStreams(
    new Map(),
    ['a', 'b', 'c'].map((id) => wanted(id)),
    MIDS,
  );

  const { assignment, wishes } = assignStreams(
    full.assignment,
    ['d', 'a', 'b', 'c'].map((id) => wanted(id)),
    MIDS,
  );

  assert.equal(assignment.get('d:camera'), '7');
  assert.equal(new Set(wishes.map((wish) => wish.mid)).size, 3);
});

test('no m-line is ever given twice', () => {
  let assignment = new Map();
  const names = [...'abcdefgh'];
  for (let round = 0; round < 50; round += 1) {
    const list = names.filter((_, index) => (round * 7 + index * 3) % 5 < 3).map((id) => wanted(id));
    const result = assignStreams(assignment, list, MIDS);
    assignment = result.assignment;
    assert.equal(new Set(assignment.values()).size, assignment.size, `round ${round}`);
    assert.equal(result.wishes.length, Math.min(3, list.length), `round ${round}`);
  }
});

test('the speaker tile asks to follow, without naming anybody', () => {
  const speaker = { key: SPEAKER_KEY, participant: null, source: 'camera', height: 720 };

  const { wishes } = assignStreams(new Map(), [speaker], MIDS);

  assert.deepEqual(wishes, [
    { mid: '5', participant: null, source: 'camera', speaker: true, max_height: 720 },
  ]);
});

test("an old transport's m-lines are not kept", () => {
  const { assignment } = assignStreams(new Map([['a:camera', '99']]), [wanted('a')], MIDS);

  assert.equal(assignment.get('a:camera'), '5');
});

test('a picture is shown only when the m-line carries that participant', () => {
  const assignment = new Map([['a:camera', '5']]);
  const sources = (participant) =>
    new Map([['5', { mid: '5', kind: 'video', participant, source: 'camera' }]]);

  assert.equal(streamOf(sources('a'), assignment, 'a:camera', 'a', 'camera'), '5');
  assert.equal(streamOf(sources('b'), assignment, 'a:camera', 'a', 'camera'), null);
  assert.equal(streamOf(new Map(), assignment, 'a:camera', 'a', 'camera'), null);
});

test('m-lines are offered in steps, at least one step and never above the most', () => {
  for (const [count, expected] of [
    [0, 8],
    [1, 8],
    [8, 8],
    [9, 16],
    [17, 24],
    [300, 24],
  ]) {
    assert.equal(streamsToOffer(count, 8, 24), expected, `${count} pictures`);
  }
  assert.equal(streamsToOffer(0, 8, 4), 4);
});

test('two on a wide window use its height, without losing more than a quarter of the picture', () => {
  const two = layoutGrid(1424, 692, 2, 8, 200);
  assert.deepEqual([two.columns, two.tileWidth, two.tileHeight], [2, 708, 531]);
  const phone = layoutGrid(382, 640, 2, 8, 130);
  assert.deepEqual([phone.columns, phone.tileWidth, phone.tileHeight], [1, 382, 286]);

  for (let count = 1; count <= 60; count += 1) {
    const { columns, rows, tileWidth, tileHeight, scrolls } = layoutGrid(1424, 692, count, 8, 200);
    assert.ok(tileHeight >= tileWidth * (9 / 16) - 1 && tileHeight <= tileWidth * (3 / 4), `${count}`);
    assert.ok(scrolls || rows * (tileHeight + 8) - 8 <= 692, `${count} do not fit`);
    assert.ok(columns * rows >= count);
  }
});

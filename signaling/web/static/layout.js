// Where tiles go and what picture each needs: pure geometry and the wishes that follow from it.
// Tile keys are `participant:source`, or SPEAKER_KEY for the one that follows the active speaker.

/** @import { TrackSource, VideoWish, StreamSource } from './messages.js' */

export const SPEAKER_KEY = 'speaker';
/** Heights worth asking for: the simulcast layers of a 720p camera, and a full-HD screen. */
export const HEIGHT_STEPS = [180, 360, 720, 1080];
/** A picture may be drawn this much larger than it is before the next layer is worth its bits. */
const UPSCALE_TOLERANCE = 1.2;
const ASPECT = 16 / 9;
/** Where there is height to spare a tile may be this much taller: its picture loses a little at the sides. */
const TALLEST_ASPECT = 4 / 3;
/** LIMIT: `video` of a layout message, in signaling/messages.py. */
const MAX_WISHES = 64;

/** @typedef {{ columns: number, rows: number, tileWidth: number, tileHeight: number, scrolls: boolean }} Grid */
/** @typedef {{ key: string, participant: string | null, source: TrackSource, height: number }} Wanted */

/**
 * The grid with the largest 16:9 tiles, made taller where height is left; if they would be narrower than `minWidth` it scrolls instead.
 * @param {number} width CSS pixels of the area. @param {number} height Likewise.
 * @param {number} count Tiles, at least 1. @param {number} gap CSS pixels. @param {number} minWidth CSS pixels.
 * @returns {Grid}
 */
export function layoutGrid(width, height, count, gap, minWidth) {
  const tiles = Math.max(1, count);
  /** @type {Grid | null} */
  let best = null;
  for (let columns = 1; columns <= tiles; columns += 1) {
    const rows = Math.ceil(tiles / columns);
    const cellWidth = (width - gap * (columns - 1)) / columns;
    const cellHeight = (height - gap * (rows - 1)) / rows;
    const tileWidth = Math.floor(Math.min(cellWidth, cellHeight * ASPECT));
    if (best === null || tileWidth > best.tileWidth) {
      const tileHeight = Math.floor(Math.min(cellHeight, tileWidth / TALLEST_ASPECT));
      best = { columns, rows, tileWidth, tileHeight, scrolls: false };
    }
  }
  if (best !== null && best.tileWidth >= Math.min(minWidth, width)) return best;
  const columns = Math.max(1, Math.floor((width + gap) / (minWidth + gap)));
  const tileWidth = Math.floor((width - gap * (columns - 1)) / columns);
  return {
    columns,
    rows: Math.ceil(tiles / columns),
    tileWidth,
    tileHeight: Math.floor(tileWidth / ASPECT),
    scrolls: true,
  };
}

/**
 * The height to ask for so that a tile is sharp and not a layer above that is sent in vain.
 * @param {number} cssHeight @param {number} pixelRatio @returns {number} One of HEIGHT_STEPS; 0 for no tile.
 */
export function chooseHeight(cssHeight, pixelRatio) {
  if (cssHeight <= 0) return 0;
  const needed = (cssHeight * pixelRatio) / UPSCALE_TOLERANCE;
  return HEIGHT_STEPS.find((step) => step >= needed) ?? HEIGHT_STEPS[HEIGHT_STEPS.length - 1] ?? 0;
}

/**
 * Give wanted pictures to m-lines. Who has an m-line keeps it: a change costs a keyframe.
 * @param {ReadonlyMap<string, string>} previous Key → mid of the last call.
 * @param {readonly Wanted[]} wanted Most important first; what exceeds the m-lines gets none.
 * @param {readonly string[]} mids Receive-only video m-lines.
 * @returns {{ assignment: Map<string, string>, wishes: VideoWish[] }}
 */
export function assignStreams(previous, wanted, mids) {
  const served = wanted.slice(0, Math.min(mids.length, MAX_WISHES));
  const keys = new Set(served.map((each) => each.key));
  const kept = [...previous].filter(([key, mid]) => keys.has(key) && mids.includes(mid));
  const assignment = new Map(kept);
  const taken = new Set(assignment.values());
  const free = mids.filter((mid) => !taken.has(mid));
  for (const { key } of served) {
    const mid = assignment.has(key) ? undefined : free.shift();
    if (mid !== undefined) assignment.set(key, mid);
  }
  const wishes = served.map((each) => ({
    mid: assignment.get(each.key) ?? '',
    participant: each.participant,
    source: each.source,
    speaker: each.key === SPEAKER_KEY,
    max_height: each.height,
  }));
  return { assignment, wishes: wishes.filter((wish) => wish.mid !== '') };
}

/**
 * The m-line that shows a tile's picture now, as the server says; what was wished may still be on its way.
 * @param {ReadonlyMap<string, StreamSource>} sources @param {ReadonlyMap<string, string>} assignment
 * @param {string} key @param {string} participant @param {TrackSource} source
 * @returns {string | null}
 */
export function streamOf(sources, assignment, key, participant, source) {
  const carries = (/** @type {StreamSource | undefined} */ each) =>
    each?.participant === participant && each.source === source && each.kind === 'video';
  const own = assignment.get(key);
  if (own !== undefined && carries(sources.get(own))) return own;
  return null;
}

/**
 * How many m-lines to offer: a first handful, then steps, never above the server's most.
 * @param {number} wanted Pictures to show. @param {number} step @param {number} most @returns {number}
 */
export function streamsToOffer(wanted, step, most) {
  return Math.min(most, Math.max(1, Math.ceil(wanted / step)) * step);
}

// Who is shown where: pure choice of the large picture and of the tiles beside it.

import { SPEAKER_KEY } from './layout.js';
import { hasTrack, screenSharer } from './room_state.js';

/** @import { ParticipantInfo, TrackSource } from './messages.js' */
/** @import { RoomState } from './room_state.js' */

/** @typedef {'gallery' | 'speaker'} View */
/** @typedef {{ key: string, participant: string, source: TrackSource }} TileChoice */

/** @param {string} participant @param {TrackSource} source @returns {string} */
export function tileKey(participant, source) {
  return `${participant}:${source}`;
}

/**
 * The large picture, if there is to be one, and the tiles: oneself, then cameras, then the others,
 * each in order of arrival. What is large is not repeated small.
 * @param {RoomState} state
 * @param {View} view
 * @param {string | null} pinned  A participant chosen by hand: goes before everything else.
 * @param {string | null} followed  Whom the speaker m-line carries now, as the server says.
 * @returns {{ stage: TileChoice | null, tiles: TileChoice[] }}
 */
export function chooseTiles(state, view, pinned, followed) {
  const stage = chooseStage(state, view, pinned, followed);
  const others = [...state.participants.values()].filter((info) => info.participant !== state.self);
  const self = state.participants.get(state.self);
  const ordered = [
    ...(self === undefined ? [] : [self]),
    ...others.filter((info) => hasTrack(info, 'camera')),
    ...others.filter((info) => !hasTrack(info, 'camera')),
  ];
  const isLarge = (/** @type {ParticipantInfo} */ info) =>
    stage?.participant === info.participant && stage.source === 'camera';
  return {
    stage,
    tiles: ordered.filter((info) => !isLarge(info)).map((info) => cameraTile(info.participant)),
  };
}

/**
 * @param {RoomState} state @param {View} view @param {string | null} pinned @param {string | null} followed
 * @returns {TileChoice | null}
 */
function chooseStage(state, view, pinned, followed) {
  if (pinned !== null && state.participants.has(pinned)) return cameraTile(pinned);
  const sharer = screenSharer(state);
  if (sharer !== null) {
    return { key: tileKey(sharer.participant, 'screen'), participant: sharer.participant, source: 'screen' };
  }
  if (view !== 'speaker') return null;
  const speaker = followed !== null && state.participants.has(followed) ? followed : state.lastSpeaker;
  // Until somebody has spoken there is nobody to follow: show who came first.
  if (state.lastSpeaker !== null && speaker !== null) {
    return { key: SPEAKER_KEY, participant: speaker, source: 'camera' };
  }
  const first = [...state.participants.keys()].find((participant) => participant !== state.self);
  return first === undefined ? null : cameraTile(first);
}

/** @param {string} participant @returns {TileChoice} */
function cameraTile(participant) {
  return { key: tileKey(participant, 'camera'), participant, source: 'camera' };
}

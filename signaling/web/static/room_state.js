// What this client knows of the room: a pure reducer of server messages, and what each change is
// worth telling people. No page, no media, no clock.

/**
 * @import { Joined, Notification, ParticipantInfo, StreamSource, ConnectionQuality, Grants, Role,
 *   RoomClass, TrackSource, KnockInfo } from './messages.js'
 */

/** LIMIT: older chat messages are forgotten; chat is kept nowhere else either. */
export const MAX_CHAT_MESSAGES = 500;

/** @typedef {{ participant: string, name: string, text: string, sentAt: string }} ChatEntry */

/**
 * @typedef {object} RoomState
 * @property {string} room
 * @property {RoomClass} roomClass
 * @property {string} title
 * @property {string} self  Own participant id.
 * @property {Role} role
 * @property {Grants} grants
 * @property {ReadonlyMap<string, ParticipantInfo>} participants  In order of arrival; oneself included.
 * @property {ReadonlyMap<string, StreamSource>} sources  By mid.
 * @property {readonly string[]} speakers  Loudest first.
 * @property {string | null} lastSpeaker  Who spoke last other than oneself.
 * @property {ReadonlyMap<string, ConnectionQuality>} quality
 * @property {readonly ChatEntry[]} chat
 * @property {readonly KnockInfo[] | null} knocks  Who waits at the door; null: not told, or no door.
 * @property {string} mediaState  As the server sees this client's transport.
 */

/**
 * A text worth announcing: key of texts.js and what it is about.
 * @typedef {{ key: string, name?: string, count?: number, isImportant?: boolean }} Notice
 */

/**
 * Start, or start again after a resume, which keeps what the server does not repeat.
 * @param {Joined} joined
 * @param {RoomState | null} [previous]
 * @returns {RoomState}
 */
export function stateFromJoined(joined, previous = null) {
  const participants = new Map(joined.participants.map((info) => [info.participant, info]));
  const kept = joined.resumed ? previous : null;
  const lastSpeaker = kept?.lastSpeaker ?? null;
  return {
    room: joined.room,
    roomClass: joined.room_class,
    title: joined.title,
    self: joined.participant,
    role: joined.role,
    grants: joined.grants,
    participants,
    sources: new Map(joined.sources.map((source) => [source.mid, source])),
    speakers: [],
    lastSpeaker: lastSpeaker !== null && participants.has(lastSpeaker) ? lastSpeaker : null,
    quality: kept?.quality ?? new Map(),
    chat: previous?.chat ?? [],
    knocks: null,
    mediaState: kept?.mediaState ?? 'new',
  };
}

/**
 * Apply one notification. Unknown types and unknown participants change nothing.
 * @param {RoomState} state
 * @param {Notification} message
 * @returns {RoomState}
 */
export function reduce(state, message) {
  switch (message.type) {
    case 'participant_joined':
    case 'participant_updated':
      return withParticipant(state, message.participant);
    case 'participant_left':
      return withoutParticipant(state, message.participant);
    case 'speakers':
      return withSpeakers(state, message.participants);
    case 'sources':
      return { ...state, sources: new Map(message.sources.map((source) => [source.mid, source])) };
    case 'chat_message':
      return withChat(state, message);
    case 'grants_changed':
      return { ...state, grants: message.grants };
    case 'quality': {
      const known = message.participants.filter((each) => state.participants.has(each.participant));
      const quality = new Map(state.quality);
      for (const each of known) quality.set(each.participant, each);
      return { ...state, quality };
    }
    case 'waiting_room':
      return { ...state, knocks: message.knocks };
    case 'media_state':
      return { ...state, mediaState: message.state };
    case 'media_lost':
      // The m-lines of the old transport carry nothing any more, and new ones get new mids.
      return { ...state, mediaState: 'new', sources: new Map() };
    default:
      return state;
  }
}

/** @param {RoomState} state @param {ParticipantInfo} info @returns {RoomState} */
function withParticipant(state, info) {
  return { ...state, participants: new Map(state.participants).set(info.participant, info) };
}

/** @param {RoomState} state @param {string} participant @returns {RoomState} */
function withoutParticipant(state, participant) {
  const participants = new Map(state.participants);
  const quality = new Map(state.quality);
  participants.delete(participant);
  quality.delete(participant);
  return {
    ...state,
    participants,
    quality,
    speakers: state.speakers.filter((speaker) => speaker !== participant),
    lastSpeaker: state.lastSpeaker === participant ? null : state.lastSpeaker,
  };
}

/** @param {RoomState} state @param {string[]} speakers @returns {RoomState} */
function withSpeakers(state, speakers) {
  const other = speakers.find((speaker) => speaker !== state.self && state.participants.has(speaker));
  return { ...state, speakers, lastSpeaker: other ?? state.lastSpeaker };
}

/**
 * @param {RoomState} state
 * @param {{ participant: string, text: string, sent_at: string }} message
 * @returns {RoomState}
 */
function withChat(state, { participant, text, sent_at: sentAt }) {
  // The name is kept with the message: its author may leave.
  const name = state.participants.get(participant)?.display_name ?? participant;
  const chat = [...state.chat, { participant, name, text, sentAt }].slice(-MAX_CHAT_MESSAGES);
  return { ...state, chat };
}

/**
 * What to announce about `message`, judged against the state before it.
 * @param {RoomState} before
 * @param {Notification} message
 * @returns {Notice[]}
 */
export function noticesOf(before, message) {
  switch (message.type) {
    case 'participant_joined':
      return before.participants.has(message.participant.participant)
        ? []
        : [{ key: 'notice.joined', name: message.participant.display_name }];
    case 'participant_left': {
      const name = before.participants.get(message.participant)?.display_name;
      return name === undefined || message.participant === before.self
        ? []
        : [{ key: leftKey(message.reason), name }];
    }
    case 'participant_updated':
      return updateNotices(before, message.participant);
    case 'grants_changed':
      return grantNotices(before.grants, message.grants);
    case 'media_lost':
      return [{ key: 'notice.media_lost', isImportant: true }];
    case 'waiting_room':
      return knockNotices(before.knocks ?? [], message.knocks);
    case 'closing_soon':
      return [{ key: 'notice.closing_soon', count: message.minutes, isImportant: true }];
    case 'going_away':
      return [{ key: 'notice.going_away' }];
    default:
      return [];
  }
}

/** @param {readonly KnockInfo[]} before @param {readonly KnockInfo[]} after @returns {Notice[]} */
function knockNotices(before, after) {
  const known = new Set(before.map((each) => each.knock));
  return after
    .filter((each) => !known.has(each.knock) && each.is_connected)
    .map((each) => ({ key: 'notice.knock', name: each.display_name }));
}

/** @param {string} reason */
function leftKey(reason) {
  if (reason === 'moved_back') return 'notice.was_moved_back';
  if (reason === 'kicked') return 'notice.was_removed';
  return reason === 'lost' ? 'notice.was_lost' : 'notice.left';
}

/** @param {RoomState} before @param {ParticipantInfo} after @returns {Notice[]} */
function updateNotices(before, after) {
  const known = before.participants.get(after.participant);
  if (known === undefined) return [];
  const isSelf = after.participant === before.self;
  const name = after.display_name;
  /** @type {Notice[]} */
  const notices = [];
  if (known.hand_raised_order === null && after.hand_raised_order !== null) {
    notices.push(isSelf ? { key: 'notice.own_hand_up' } : { key: 'notice.hand_up', name });
  }
  if (known.hand_raised_order !== null && after.hand_raised_order === null && isSelf) {
    notices.push({ key: 'notice.own_hand_down' });
  }
  if (!isSelf && !hasTrack(known, 'screen') && hasTrack(after, 'screen')) {
    notices.push({ key: 'notice.screen', name });
  }
  return notices;
}

/** @param {Grants} before @param {Grants} after @returns {Notice[]} */
function grantNotices(before, after) {
  /** @type {('microphone' | 'camera' | 'screen')[]} */
  const sources = ['microphone', 'camera', 'screen'];
  return sources
    .filter((source) => before[source] !== after[source])
    .map((source) => ({
      key: `notice.${source}_${after[source] ? 'allowed' : 'forbidden'}`,
      isImportant: true,
    }));
}

/** Whether the participant sends this source now. @param {ParticipantInfo} info @param {TrackSource} source */
export function hasTrack(info, source) {
  return info.tracks.some((track) => track.source === source && !track.is_muted && !track.is_blocked);
}

/** Raised hands, first come first. @param {RoomState} state @returns {ParticipantInfo[]} */
export function raisedHands(state) {
  return [...state.participants.values()]
    .filter((info) => info.hand_raised_order !== null)
    .sort((a, b) => (a.hand_raised_order ?? 0) - (b.hand_raised_order ?? 0));
}

/** Who shares a screen, oneself excepted. @param {RoomState} state @returns {ParticipantInfo | null} */
export function screenSharer(state) {
  for (const info of state.participants.values()) {
    if (info.participant !== state.self && hasTrack(info, 'screen')) return info;
  }
  return null;
}

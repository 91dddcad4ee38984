// One participant's picture, or their initials, with name and state.

import { element, icon, setAttribute, setIcon, setText } from './dom.js';
import { hasTrack } from '../room_state.js';
import { qualityBadge, updateQualityBadge } from './quality.js';

/** @import { ParticipantInfo, TrackSource } from '../messages.js' */
/** @import { RoomState } from '../room_state.js' */
/** @import { Translate } from '../texts.js' */

/** Number of background shades for initials, in room.css. */
const SHADES = 6;

/**
 * @typedef {object} TileState
 * @property {ParticipantInfo} info
 * @property {TrackSource} source
 * @property {RoomState} room
 * @property {MediaStreamTrack | null} track
 * @property {boolean} isPinned
 */

export class Tile {
  #isSpeaking = false;

  /** @param {Translate} translate @param {(participant: string) => void} onPin */
  constructor(translate, onPin) {
    this.translate = translate;
    this.participant = '';
    this.video = element('video', {
      autoplay: true,
      playsinline: true,
      'aria-hidden': 'true',
      tabindex: '-1',
      class: 'tile-video',
    });
    // The attribute alone does not mute a video made by a script.
    this.video.muted = true;
    this.avatar = element('div', { class: 'tile-avatar', 'aria-hidden': 'true' });
    this.microphone = icon('microphone_off');
    this.name = element('span', { class: 'tile-name' });
    this.facts = element('span', { class: 'govgr-visually-hidden' });
    this.quality = qualityBadge();
    this.hand = element('span', { class: 'tile-hand', 'aria-hidden': 'true' }, icon('hand'));
    this.handOrder = element('span');
    this.hand.append(this.handOrder);
    this.pin = element(
      'button',
      { type: 'button', class: 'tile-pin', onclick: () => onPin(this.participant) },
      icon('pin'),
    );
    this.root = element(
      'li',
      { class: 'tile' },
      this.avatar,
      this.video,
      this.hand,
      this.pin,
      element('div', { class: 'tile-label' }, this.microphone, this.name, this.facts, this.quality),
    );
  }

  /** @param {TileState} tile */
  update({ info, source, room, track, isPinned }) {
    const isSelf = info.participant === room.self;
    const isSpeaking = room.speakers.includes(info.participant) && source === 'camera';
    this.participant = info.participant;
    this.#isSpeaking = isSpeaking;
    const { classList } = this.root;
    classList.toggle('tile-self', isSelf && source === 'camera');
    classList.toggle('tile-screen', source === 'screen');
    classList.toggle('tile-speaking', isSpeaking);
    classList.toggle('tile-away', !info.is_connected);
    setAttribute(this.root, 'data-participant', info.participant);
    setAttribute(this.root, 'data-source', source);
    this.#updateWords(info, source, isSelf);
    this.#updateBadges(info, source, room, isSelf, isPinned);
    this.#show(track);
  }

  /** Stop drawing and let the picture go. */
  dispose() {
    this.video.srcObject = null;
  }

  /** @param {ParticipantInfo} info @param {TrackSource} source @param {boolean} isSelf */
  #updateWords(info, source, isSelf) {
    const { translate } = this;
    const name = info.display_name;
    setText(this.avatar, initials(name));
    setAttribute(this.avatar, 'data-shade', shadeOf(info.participant));
    const shown = isSelf ? translate('tile.you', { name }) : name;
    const titled = source === 'screen' ? translate('tile.screen_of', { name: shown }) : shown;
    setText(this.name, info.is_connected ? titled : `${titled} · ${translate('tile.away')}`);
    const order = info.hand_raised_order;
    const facts = [
      !hasTrack(info, 'microphone') && translate('tile.muted'),
      !hasTrack(info, 'camera') && translate('tile.camera_off'),
      order !== null && translate('tile.hand', { order }),
      this.#isSpeaking && translate('tile.speaking'),
    ];
    const said = facts.filter(Boolean);
    setText(this.facts, source === 'screen' || said.length === 0 ? '' : `, ${said.join(', ')}`);
  }

  /**
   * @param {ParticipantInfo} info @param {TrackSource} source @param {RoomState} room
   * @param {boolean} isSelf @param {boolean} isPinned
   */
  #updateBadges(info, source, room, isSelf, isPinned) {
    const { translate } = this;
    const isMuted = !hasTrack(info, 'microphone');
    setIcon(this.microphone, isMuted ? 'microphone_off' : 'sound');
    this.microphone.classList.toggle('is-hidden', source === 'screen' || (!isMuted && !this.#isSpeaking));
    setAttribute(this.hand, 'hidden', info.hand_raised_order === null || source === 'screen');
    setText(this.handOrder, String(info.hand_raised_order ?? ''));
    setAttribute(this.pin, 'hidden', isSelf || source === 'screen');
    setAttribute(this.pin, 'aria-pressed', String(isPinned));
    setAttribute(
      this.pin,
      'aria-label',
      translate(isPinned ? 'tile.unpin' : 'tile.pin', { name: info.display_name }),
    );
    setAttribute(
      this.pin,
      'title',
      translate(isPinned ? 'tile.unpin' : 'tile.pin', { name: info.display_name }),
    );
    updateQualityBadge(this.quality, room.quality.get(info.participant)?.score ?? null, translate);
  }

  /** @param {MediaStreamTrack | null} track */
  #show(track) {
    const stream = /** @type {MediaStream | null} */ (this.video.srcObject);
    const shown = stream?.getVideoTracks()[0] ?? null;
    if (shown === track) return;
    this.root.classList.remove('tile-live');
    this.video.srcObject = track === null ? null : new MediaStream([track]);
    if (track === null) return;
    void this.video.play().catch(() => {});
    // An old last frame under a new name would be a lie: the picture appears with its first frame.
    const show = () => this.root.classList.toggle('tile-live', this.video.srcObject !== null);
    if ('requestVideoFrameCallback' in this.video) this.video.requestVideoFrameCallback(show);
    else /** @type {HTMLVideoElement} */ (this.video).addEventListener('playing', show, { once: true });
  }
}

/** First letters of the first and the last word. @param {string} name @returns {string} */
export function initials(name) {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words[words.length - 1] : ''].map(
    (word) => [...(word ?? '')][0] ?? '',
  );
  // Greek capitals in initials bear no accent.
  return letters.join('').normalize('NFD').replace(/\p{M}/gu, '').toLocaleUpperCase('el');
}

/** @param {string} participant */
function shadeOf(participant) {
  let sum = 0;
  for (const letter of participant) sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  return sum % SHADES;
}

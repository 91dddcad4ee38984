// The panel of participants: hands in order first, then everybody, with what a moderator may do.

import { element, icon, renderList, setAttribute, setIcon, setText } from './dom.js';
import { hasTrack, raisedHands } from '../room_state.js';
import { qualityBadge, updateQualityBadge } from './quality.js';

/** @import { ParticipantInfo, TrackSource } from '../messages.js' */
/** @import { RoomState } from '../room_state.js' */
/** @import { Translate } from '../texts.js' */

/**
 * @typedef {object} ModeratorActions
 * @property {(participant: string, source: TrackSource, allowed: boolean) => void} allow
 * @property {(participant: string) => void} lowerHand
 * @property {(info: ParticipantInfo) => void} moveBack  Only where there is a waiting room.
 * @property {(info: ParticipantInfo) => void} kick
 */

/** @type {TrackSource[]} */
const SOURCES = ['microphone', 'camera', 'screen'];

export class ParticipantsView {
  /** @type {Map<string, HTMLLIElement>} */
  #rows = new Map();
  /** @type {Map<string, HTMLLIElement>} */
  #handRows = new Map();
  /** Whose actions are unfolded. @type {string | null} */
  #opened = null;
  /** @type {RoomState | null} */
  #state = null;

  /** @param {HTMLElement} root @param {Translate} translate @param {ModeratorActions} actions */
  constructor(root, translate, actions) {
    this.translate = translate;
    this.actions = actions;
    this.handsTitle = element('h3', { class: 'panel-subtitle' }, translate('panel.hands'));
    this.hands = element('ol', { class: 'hands' });
    this.list = element('ul', { class: 'people' });
    root.append(this.handsTitle, this.hands, this.list);
  }

  /** @param {RoomState} state */
  render(state) {
    this.#state = state;
    const hands = raisedHands(state);
    setAttribute(this.handsTitle, 'hidden', hands.length === 0);
    setAttribute(this.hands, 'hidden', hands.length === 0);
    const keyOf = (/** @type {ParticipantInfo} */ info) => info.participant;
    renderList(
      this.hands,
      this.#handRows,
      hands,
      keyOf,
      () => element('li'),
      (info, row) => setText(row, info.display_name),
    );
    renderList(
      this.list,
      this.#rows,
      [...state.participants.values()],
      keyOf,
      (info) => this.#row(info),
      (info, row) => this.#update(info, row, state),
    );
  }

  /** @param {ParticipantInfo} info */
  #row({ participant }) {
    const actions = element('div', { class: 'person-actions', id: `actions-${participant}`, hidden: true });
    const toggle = element(
      'button',
      {
        type: 'button',
        class: 'person-more',
        'aria-expanded': 'false',
        'aria-controls': `actions-${participant}`,
        onclick: () => this.#toggle(participant),
      },
      icon('more'),
    );
    const line = element(
      'div',
      { class: 'person-line' },
      element(
        'div',
        { class: 'person-words' },
        element('span', { class: 'person-name' }),
        element('span', { class: 'person-role' }),
      ),
      qualityBadge(),
      icon('hand'),
      icon('microphone'),
      icon('camera'),
      element('span', { class: 'govgr-visually-hidden' }),
      toggle,
    );
    return element('li', { class: 'person' }, line, actions);
  }

  /** @param {ParticipantInfo} info @param {HTMLLIElement} row @param {RoomState} state */
  #update(info, row, state) {
    const { translate } = this;
    const isSelf = info.participant === state.self;
    const [line, actions] = row.children;
    if (line === undefined || actions === undefined) return;
    const [words, quality, hand, microphone, camera, facts, toggle] = line.children;
    const [name, role] = words?.children ?? [];
    if (name) setText(name, isSelf ? translate('tile.you', { name: info.display_name }) : info.display_name);
    if (role) setText(role, translate(`role.${info.role}`));
    updateQualityBadge(
      /** @type {HTMLElement} */ (quality),
      state.quality.get(info.participant)?.score ?? null,
      translate,
    );
    const isMuted = !hasTrack(info, 'microphone');
    const isDark = !hasTrack(info, 'camera');
    const order = info.hand_raised_order;
    hand?.classList.toggle('is-hidden', order === null);
    setIcon(/** @type {SVGSVGElement} */ (microphone), isMuted ? 'microphone_off' : 'microphone');
    setIcon(/** @type {SVGSVGElement} */ (camera), isDark ? 'camera_off' : 'camera');
    microphone?.classList.toggle('is-off', isMuted);
    camera?.classList.toggle('is-off', isDark);
    const texts = [
      isMuted && translate('tile.muted'),
      isDark && translate('tile.camera_off'),
      order !== null && translate('tile.hand', { order }),
      !info.is_connected && translate('tile.away'),
    ];
    if (facts) setText(facts, texts.filter(Boolean).join(', '));
    row.classList.toggle('is-away', !info.is_connected);
    const mayModerate = state.grants.moderate && !isSelf;
    if (toggle) this.#updateToggle(toggle, info, mayModerate);
    this.#updateActions(actions, info, mayModerate && this.#opened === info.participant, state);
  }

  /** @param {Element} toggle @param {ParticipantInfo} info @param {boolean} mayModerate */
  #updateToggle(toggle, info, mayModerate) {
    setAttribute(toggle, 'hidden', !mayModerate);
    setAttribute(toggle, 'aria-label', this.translate('panel.actions', { name: info.display_name }));
    setAttribute(toggle, 'aria-expanded', String(mayModerate && this.#opened === info.participant));
  }

  /** @param {Element} box @param {ParticipantInfo} info @param {boolean} isOpen @param {RoomState} state */
  #updateActions(box, info, isOpen, state) {
    setAttribute(box, 'hidden', !isOpen);
    // Rebuilt only when what it offers changes: a rebuilt button loses its focus.
    const offer = isOpen ? JSON.stringify([info.grants, info.hand_raised_order !== null, state.knocks === null]) : '';
    if (box.getAttribute('data-offer') === offer) return;
    setAttribute(box, 'data-offer', offer);
    const focused = [...box.children].findIndex((child) => child === document.activeElement);
    box.replaceChildren(...(isOpen ? this.#actions(info, state) : []));
    if (focused >= 0) /** @type {HTMLElement | undefined} */ (box.children[focused])?.focus();
  }

  /** @param {ParticipantInfo} info @param {RoomState} state @returns {HTMLButtonElement[]} */
  #actions(info, state) {
    const { actions, translate } = this;
    const button = (/** @type {string} */ key, /** @type {string} */ name, /** @type {() => void} */ act) =>
      element(
        'button',
        { type: 'button', class: `person-action${key === 'action.kick' ? ' is-danger' : ''}`, onclick: act },
        icon(name),
        translate(key),
      );
    const sources = SOURCES.filter((source) => source !== 'screen' || state.roomClass === 'council');
    const grants = sources.map((source) => {
      const isAllowed = info.grants[source];
      const image = source === 'screen' || !isAllowed ? source : `${source}_off`;
      return button(`action.${isAllowed ? 'forbid' : 'allow'}_${source}`, image, () =>
        actions.allow(info.participant, source, !isAllowed),
      );
    });
    const hand =
      info.hand_raised_order === null
        ? []
        : [button('action.lower_hand', 'hand', () => actions.lowerHand(info.participant))];
    const moveBack =
      state.knocks === null || info.grants.moderate
        ? []
        : [button('action.move_back', 'waiting', () => actions.moveBack(info))];
    return [...hand, ...grants, ...moveBack, button('action.kick', 'leave', () => actions.kick(info))];
  }

  /** @param {string} participant */
  #toggle(participant) {
    this.#opened = this.#opened === participant ? null : participant;
    if (this.#state !== null) this.render(this.#state);
  }
}

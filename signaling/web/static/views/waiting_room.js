// The panel of the waiting room: who knocks, in order, and what a moderator may do about it.

import { promptDialog } from './dialogs.js';
import { element, renderList, setAttribute, setText } from './dom.js';

/** @import { KnockInfo } from '../messages.js' */
/** @import { Translate } from '../texts.js' */
/** @import { KnockSound } from './knock_sound.js' */

/**
 * @typedef {object} DoorActions
 * @property {(knock?: string) => void} admit  Everybody invited without an id.
 * @property {(knock: string, reason: string) => void} refuse
 */

export class WaitingRoomView {
  /** @type {Map<string, HTMLLIElement>} */
  #rows = new Map();

  /** @param {HTMLElement} root @param {Translate} translate @param {DoorActions} actions @param {KnockSound} sound */
  constructor(root, translate, actions, sound) {
    this.translate = translate;
    this.actions = actions;
    this.empty = element('p', { class: 'chat-empty' }, translate('waiting.empty'));
    this.list = element('ol', { class: 'people knocks' });
    this.all = element('button', {
      type: 'button',
      class: 'govgr-btn govgr-btn-primary knocks-all',
      hidden: true,
      onclick: () => actions.admit(),
    });
    const switchBox = element('input', { type: 'checkbox', id: 'knock-sound', class: 'knock-sound-box' });
    switchBox.checked = sound.isOn;
    switchBox.addEventListener('change', () => sound.set(switchBox.checked));
    const label = element('label', { class: 'knock-sound', for: 'knock-sound' }, switchBox, translate('waiting.sound'));
    root.append(this.all, this.empty, this.list, label);
  }

  /** @param {readonly KnockInfo[]} knocks */
  render(knocks) {
    const ready = knocks.filter((each) => each.is_known && !each.is_early && !each.is_expected).length;
    setAttribute(this.empty, 'hidden', knocks.length > 0);
    setAttribute(this.all, 'hidden', ready < 2);
    setText(this.all, this.translate('waiting.admit_all', { count: ready }));
    const rows = [...this.list.children];
    const focused = rows.findIndex((row) => row.contains(document.activeElement));
    renderList(
      this.list,
      this.#rows,
      knocks,
      (each) => each.knock,
      (each) => this.#row(each),
      (each, row) => this.#update(each, row),
    );
    if (focused >= 0 && !this.list.contains(document.activeElement)) this.#focusNear(focused);
  }

  /** Whoever had the focus was let in or sent away: the next, or the panel, gets it. @param {number} place */
  #focusNear(place) {
    const row = this.list.children[Math.min(place, this.list.children.length - 1)];
    const button = row?.querySelector('button:not(:disabled)');
    const title = this.list.closest('.panel')?.querySelector('.panel-title');
    /** @type {HTMLElement | null | undefined} */ (button ?? title)?.focus();
  }

  /** @param {KnockInfo} info */
  #row({ knock, display_name: name }) {
    const { translate } = this;
    const admit = element(
      'button',
      {
        type: 'button',
        class: 'govgr-btn govgr-btn-primary knock-button',
        'aria-label': translate('waiting.admit_name', { name }),
        onclick: () => this.actions.admit(knock),
      },
      translate('waiting.admit'),
    );
    const refuse = element(
      'button',
      {
        type: 'button',
        class: 'govgr-btn govgr-btn-secondary knock-button',
        'aria-label': translate('waiting.refuse_name', { name }),
        onclick: () => void this.#refuse(knock, name),
      },
      translate('waiting.refuse'),
    );
    return element(
      'li',
      { class: 'person knock' },
      element(
        'div',
        { class: 'person-words' },
        element('span', { class: 'person-name' }, name),
        element('span', { class: 'person-role' }),
      ),
      element('div', { class: 'knock-buttons' }, admit, refuse),
    );
  }

  /** @param {KnockInfo} info @param {HTMLLIElement} row */
  #update(info, row) {
    const { translate } = this;
    const role = row.querySelector('.person-role');
    const admit = row.querySelector('button');
    const words = [
      translate(`role.${info.role}`),
      !info.is_known && translate('waiting.guest'),
      info.is_expected ? translate('waiting.expected') : !info.is_connected && translate('waiting.away'),
      info.is_early && translate('waiting.early'),
    ];
    if (role) setText(role, words.filter(Boolean).join(' · '));
    if (admit) admit.disabled = info.is_early || info.is_expected;
    row.classList.toggle('is-away', !info.is_connected);
  }

  /** @param {string} knock @param {string} name */
  async #refuse(knock, name) {
    const { translate } = this;
    const reason = await promptDialog(translate, {
      title: translate('waiting.refuse_title', { name }),
      label: translate('waiting.reason'),
      yes: translate('waiting.refuse'),
    });
    if (reason !== null) this.actions.refuse(knock, reason);
  }
}

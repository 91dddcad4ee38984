// Short notices that come and go, and the banner that stays while the connection is lost. Both are
// read out; arrivals and departures in a large room are gathered into one.

import { element, icon, setAttribute, setText } from './dom.js';

/** @import { Notice } from '../room_state.js' */
/** @import { Translate } from '../texts.js' */

const SHOWN_MS = 6000;
const GATHER_MS = 800;
/** On a phone more would cover people’s names; what was said stays in the panels. */
const MAX_SHOWN = 2;
const GATHERED = new Set(['notice.joined', 'notice.left', 'notice.knock']);

export class NoticesView {
  /** Notices waiting to be gathered, by key: names. @type {Map<string, string[]>} */
  #waiting = new Map();

  /** @param {HTMLElement} polite @param {HTMLElement} banner @param {Translate} translate */
  constructor(polite, banner, translate) {
    this.polite = polite;
    this.banner = banner;
    this.translate = translate;
    this.bannerText = element('span');
    banner.append(icon('warning'), this.bannerText);
  }

  /** @param {Notice} notice */
  show(notice) {
    const { key, name, count } = notice;
    if (key === 'notice.joined') this.#endKnocks();
    if (!GATHERED.has(key) || name === undefined) {
      const values = { ...(name === undefined ? {} : { name }), ...(count === undefined ? {} : { count }) };
      this.#add(this.translate(key, values), notice.isImportant ?? false);
      return;
    }
    const names = this.#waiting.get(key);
    if (names !== undefined) {
      names.push(name);
      return;
    }
    const gathered = [name];
    this.#waiting.set(key, gathered);
    setTimeout(() => {
      this.#waiting.delete(key);
      this.#addGathered(key, gathered);
    }, GATHER_MS);
  }

  /** A notice with something to press; stays until pressed. @param {string} text @param {string} action @param {() => void} act */
  ask(text, action, act) {
    const button = element('button', { type: 'button', class: 'notice-button' }, action);
    const notice = element('div', { class: 'notice is-important' }, icon('sound'), text, button);
    button.addEventListener('click', () => {
      notice.remove();
      act();
    });
    this.polite.append(notice);
  }

  /** Show or hide what stays while it holds. @param {string | null} text */
  setBanner(text) {
    setAttribute(this.banner, 'hidden', text === null);
    setText(this.bannerText, text ?? '');
  }

  /** @param {string} key @param {string[]} names */
  #addGathered(key, names) {
    if (key === 'notice.joined') this.#endKnocks();
    const [name = '', ...others] = names;
    const many = key.replace('notice.', 'notice.many_');
    this.#add(
      others.length === 0
        ? this.translate(key, { name })
        : this.translate(many, { name, count: others.length }),
      false,
      key,
    );
  }

  /** Who was let in does not wait any more: neither now, nor if the knock was still to be told. */
  #endKnocks() {
    this.polite.querySelectorAll('[data-key="notice.knock"]').forEach((each) => each.remove());
  }

  /** @param {string} text @param {boolean} isImportant @param {string} [key] */
  #add(text, isImportant, key = '') {
    const shown = [...this.polite.children];
    if (shown.some((each) => each.textContent === text)) return;
    if (shown.length >= MAX_SHOWN) (shown.find((each) => each.querySelector('button') === null) ?? shown[0])?.remove();
    const notice = element(
      'div',
      { class: `notice${isImportant ? ' is-important' : ''}`, 'data-key': key },
      isImportant && icon('info'),
      element('span', {}, text),
    );
    this.polite.append(notice);
    setTimeout(() => notice.remove(), isImportant ? SHOWN_MS * 2 : SHOWN_MS);
  }
}

// What somebody sees who waits at the door: how things are, the place in line, and a way out.

import { element, setText } from './dom.js';

/** @import { Waiting } from '../door.js' */
/** @import { Language, Translate } from '../texts.js' */

export class WaitingView {
  title = element('h2', { class: 'govgr-heading-m', tabindex: '-1' });
  notice = element('p', { class: 'govgr-body waiting-notice', hidden: true });
  state = element('p', { class: 'govgr-body waiting-state' });
  position = element('p', { class: 'govgr-body waiting-position' });
  /** @type {Waiting | null} */
  #last = null;

  /** @param {Translate} translate @param {Language} language @param {() => void} leave */
  constructor(translate, language, leave) {
    this.translate = translate;
    this.language = language;
    setText(this.title, translate('door.title'));
    this.root = element(
      'section',
      { class: 'waiting-card' },
      this.title,
      this.notice,
      element('div', { role: 'status' }, this.state, this.position),
      element('p', { class: 'page-hint' }, translate('door.hint')),
      element(
        'button',
        { type: 'button', class: 'govgr-btn govgr-btn-secondary waiting-leave', onclick: leave },
        translate('door.leave'),
      ),
    );
  }

  /** @param {string} text */
  say(text) {
    setText(this.notice, text);
    this.notice.hidden = false;
  }

  /** @param {Waiting} waiting */
  show(waiting) {
    this.#last = waiting;
    setText(this.state, this.translate(`door.state_${waiting.state}`, { time: this.#time(waiting.opens_at) }));
    const key = waiting.position === 1 ? 'door.position_first' : 'door.position';
    setText(this.position, this.translate(key, { position: waiting.position }));
  }

  /** The socket is lost. */
  showLost() {
    setText(this.state, this.translate('door.lost'));
    setText(this.position, '');
  }

  /** The socket is there again. */
  showBack() {
    if (this.#last !== null) this.show(this.#last);
  }

  /** @param {string} moment */
  #time(moment) {
    const locale = this.language === 'el' ? 'el-GR' : 'en-GB';
    return new Date(moment).toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' });
  }
}

// The panel of messages. What people write is shown as text only: no links, no markup.

import { element, setAttribute } from './dom.js';

/** @import { RoomState, ChatEntry } from '../room_state.js' */
/** @import { Translate } from '../texts.js' */

/** LIMIT: ChatText in signaling/messages.py. */
const MAX_TEXT = 2000;
/** This close to the end, new messages scroll into view. */
const FOLLOW_PX = 60;

export class ChatView {
  /** @type {readonly ChatEntry[]} */
  #shown = [];

  /**
   * @param {HTMLElement} root @param {Translate} translate @param {string} language
   * @param {(text: string) => Promise<boolean>} send
   */
  constructor(root, translate, language, send) {
    this.translate = translate;
    this.send = send;
    this.time = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    this.list = element('ul', { class: 'chat-list' });
    this.log = element(
      'div',
      { class: 'chat-log', role: 'log', 'aria-label': translate('panel.chat'), tabindex: '0' },
      this.list,
    );
    this.empty = element('p', { class: 'chat-empty' }, translate('panel.chat_empty'));
    this.input = element('textarea', { id: 'chat-input', class: 'chat-input', rows: 2, maxlength: MAX_TEXT });
    this.input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      void this.#submit();
    });
    this.button = element(
      'button',
      { type: 'submit', class: 'govgr-btn govgr-btn-primary chat-send' },
      translate('panel.chat_send'),
    );
    const form = element(
      'form',
      { class: 'chat-form' },
      element('label', { for: 'chat-input' }, translate('panel.chat_input')),
      this.input,
      this.button,
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
    root.append(
      element('p', { class: 'chat-hint' }, translate('panel.chat_hint')),
      this.empty,
      this.log,
      form,
    );
  }

  /** @param {RoomState} state */
  render(state) {
    setAttribute(this.input, 'disabled', !state.grants.chat);
    setAttribute(this.button, 'disabled', !state.grants.chat);
    if (state.chat === this.#shown) return;
    const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < FOLLOW_PX;
    const known = new Set(this.#shown);
    this.list.append(
      ...state.chat.filter((entry) => !known.has(entry)).map((entry) => this.#entry(entry, state)),
    );
    while (this.list.children.length > state.chat.length) this.list.firstElementChild?.remove();
    this.#shown = state.chat;
    setAttribute(this.empty, 'hidden', state.chat.length > 0);
    if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  /** @param {ChatEntry} entry @param {RoomState} state */
  #entry({ participant, name, text, sentAt }, state) {
    const sent = new Date(sentAt);
    const time = Number.isNaN(sent.getTime()) ? '' : this.time.format(sent);
    const isOwn = participant === state.self;
    const author = isOwn ? this.translate('tile.you', { name }) : name;
    return element(
      'li',
      { class: `chat-entry${isOwn ? ' is-own' : ''}` },
      element(
        'div',
        { class: 'chat-head' },
        element('strong', {}, author),
        ' ',
        element('time', { datetime: sentAt }, time),
      ),
      element('p', { class: 'chat-text' }, text),
    );
  }

  async #submit() {
    const text = this.input.value.trim();
    if (text === '') return;
    this.input.value = '';
    // What was not taken is given back, unless something new is being written.
    if (!(await this.send(text)) && this.input.value === '') this.input.value = text;
    this.input.focus();
  }
}

// Keyboard shortcuts of the call: physical keys, so that a Greek keyboard has the same ones.

import { contentDialog } from './dialogs.js';
import { element } from './dom.js';

/** @import { Translate } from '../texts.js' */

/** @typedef {'microphone' | 'camera' | 'hand' | 'participants' | 'chat' | 'view'} Shortcut */

/** @type {Record<string, Shortcut>} */
const KEYS = {
  KeyM: 'microphone',
  KeyV: 'camera',
  KeyH: 'hand',
  KeyP: 'participants',
  KeyC: 'chat',
  KeyG: 'view',
};

export class Shortcuts {
  #isEnabled = true;

  /**
   * @param {Translate} translate @param {Record<Shortcut, () => void>} actions
   * @param {(shortcut: Shortcut) => boolean} exists  Whether the room has what it is for.
   */
  constructor(translate, actions, exists) {
    this.translate = translate;
    this.actions = actions;
    this.exists = exists;
    document.addEventListener('keydown', this.#handleKey);
  }

  stop() {
    document.removeEventListener('keydown', this.#handleKey);
  }

  showList() {
    const { translate } = this;
    const offered = Object.entries(KEYS).filter(([, shortcut]) => this.exists(shortcut));
    const rows = offered.map(([code, shortcut]) =>
      element(
        'div',
        { class: 'shortcut' },
        element('dt', {}, element('kbd', {}, code.slice(3))),
        element('dd', {}, translate(`shortcuts.${shortcut}`)),
      ),
    );
    // WCAG 2.1 §2.1.4: shortcuts of one letter can be turned off.
    const box = element('input', { type: 'checkbox', id: 'shortcuts-enabled' });
    box.checked = this.#isEnabled;
    box.addEventListener('change', () => (this.#isEnabled = box.checked));
    const choice = element(
      'div',
      { class: 'check' },
      box,
      element('label', { for: box.id }, translate('shortcuts.enabled')),
    );
    contentDialog(
      translate,
      translate('toolbar.shortcuts'),
      element('dl', { class: 'shortcuts' }, ...rows),
      element('p', { class: 'dialog-text' }, translate('shortcuts.hint')),
      choice,
    );
  }

  #handleKey = (/** @type {KeyboardEvent} */ event) => {
    const shortcut = KEYS[event.code];
    const isModified = event.ctrlKey || event.altKey || event.metaKey;
    if (!this.#isEnabled || shortcut === undefined || isModified || event.repeat || isTyping(event.target))
      return;
    if (document.querySelector('dialog[open]') !== null) return;
    event.preventDefault();
    this.actions[shortcut]();
  };
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  const isToggle = target instanceof HTMLInputElement && target.type === 'checkbox';
  return !isToggle && target.matches('input, textarea, select, [contenteditable]');
}

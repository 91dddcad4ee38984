// The row of controls under the call, and the menu behind "more".

import { element, icon, setAttribute, setIcon, setText } from './dom.js';

/** @import { Call } from '../call.js' */
/** @import { Translate } from '../texts.js' */

/**
 * What a control looks like now.
 * @typedef {object} ControlState
 * @property {string} icon
 * @property {string} label  What pressing it does.
 * @property {boolean} [isPressed]
 * @property {boolean} [isDisabled]
 * @property {boolean} [isHidden]
 * @property {number} [count]  Shown as a badge when above zero.
 */

/**
 * @typedef {object} ControlActions
 * @property {() => void} microphone
 * @property {() => void} camera
 * @property {() => void} screen
 * @property {() => void} hand
 * @property {() => void} participants
 * @property {() => void} waiting
 * @property {() => void} chat
 * @property {() => void} view
 * @property {() => void} devices
 * @property {() => void} shortcuts
 * @property {() => void} close_room
 * @property {() => void} leave
 */

/** Shown as buttons on a wide page; on a phone those marked narrow go behind "more". */
const BUTTONS = /** @type {const} */ ([
  'microphone',
  'camera',
  'screen',
  'hand',
  'participants',
  'waiting',
  'chat',
  'view',
]);
const WIDE_ONLY = new Set(['screen', 'participants', 'chat', 'view']);
const MENU = /** @type {const} */ ([
  'screen',
  'participants',
  'chat',
  'view',
  'devices',
  'shortcuts',
  'close_room',
]);

/** @typedef {(typeof BUTTONS)[number] | (typeof MENU)[number]} Control */

export class Toolbar {
  /** @type {Map<Control, HTMLButtonElement>} */
  #buttons = new Map();
  /** @type {Map<Control, HTMLButtonElement>} */
  #items = new Map();

  /** @param {HTMLElement} root @param {Translate} translate @param {ControlActions} actions */
  constructor(root, translate, actions) {
    this.translate = translate;
    this.actions = actions;
    for (const control of BUTTONS) this.#buttons.set(control, this.#button(control));
    for (const control of MENU) this.#items.set(control, this.#item(control));
    this.menu = element(
      'div',
      {
        id: 'more-menu',
        class: 'menu',
        role: 'group',
        'aria-label': translate('toolbar.more'),
        hidden: true,
      },
      ...this.#items.values(),
    );
    this.more = element(
      'button',
      {
        type: 'button',
        class: 'control',
        'aria-expanded': 'false',
        'aria-controls': 'more-menu',
        onclick: () => this.#toggleMenu(),
      },
      icon('more'),
      element('span', { class: 'control-text' }, translate('toolbar.more')),
    );
    const leave = element(
      'button',
      { type: 'button', class: 'control control-leave', onclick: actions.leave },
      icon('leave'),
      element('span', { class: 'control-text' }, translate('toolbar.leave')),
    );
    root.append(
      ...this.#buttons.values(),
      element('div', { class: 'menu-anchor' }, this.more, this.menu),
      leave,
    );
    document.addEventListener('click', (event) => {
      if (!this.menu.hidden && !this.more.parentElement?.contains(/** @type {Node} */ (event.target)))
        this.#closeMenu();
    });
    this.menu.parentElement?.addEventListener('keydown', (event) => this.#handleKey(event));
  }

  /** @param {Record<Control, ControlState>} states */
  render(states) {
    for (const [control, button] of this.#buttons) this.#update(button, states[control]);
    for (const [control, item] of this.#items) this.#updateItem(item, states[control]);
  }

  /** @param {Control} control */
  #button(control) {
    return element(
      'button',
      {
        type: 'button',
        class: `control control-${control}${WIDE_ONLY.has(control) ? ' wide-only' : ''}`,
        onclick: () => this.actions[control](),
      },
      icon(control),
      element('span', { class: 'control-text' }, this.translate(`toolbar.${control}`)),
      element('span', { class: 'control-badge', hidden: true, 'aria-hidden': 'true' }),
    );
  }

  /** @param {Control} control */
  #item(control) {
    const choose = () => {
      this.#closeMenu();
      this.more.focus();
      this.actions[control]();
    };
    return element(
      'button',
      { type: 'button', class: `menu-item${WIDE_ONLY.has(control) ? ' narrow-only' : ''}`, onclick: choose },
      icon(control),
      element('span', {}),
    );
  }

  /** @param {HTMLButtonElement} button @param {ControlState} state */
  #update(button, state) {
    const count = state.count ?? 0;
    const [svg, , badge] = button.children;
    setIcon(/** @type {SVGSVGElement} */ (svg), state.icon);
    // The name is the word on the button; what pressing does is its description.
    setAttribute(button, 'title', state.label);
    setAttribute(button, 'aria-pressed', state.isPressed === undefined ? null : String(state.isPressed));
    setAttribute(button, 'disabled', state.isDisabled);
    setAttribute(button, 'hidden', state.isHidden);
    if (badge === undefined) return;
    setAttribute(badge, 'hidden', count === 0);
    setText(badge, count > 99 ? '99+' : String(count));
  }

  /** @param {HTMLButtonElement} item @param {ControlState} state */
  #updateItem(item, state) {
    const [svg, text] = item.children;
    setIcon(/** @type {SVGSVGElement} */ (svg), state.icon);
    if (text !== undefined) setText(text, state.label);
    setAttribute(item, 'disabled', state.isDisabled);
    setAttribute(item, 'hidden', state.isHidden);
  }

  #toggleMenu() {
    if (this.menu.hidden) {
      this.menu.hidden = false;
      setAttribute(this.more, 'aria-expanded', 'true');
      this.#focusable()[0]?.focus();
    } else {
      this.#closeMenu();
    }
  }

  #closeMenu() {
    this.menu.hidden = true;
    setAttribute(this.more, 'aria-expanded', 'false');
  }

  #focusable() {
    return [...this.#items.values()].filter((item) => item.offsetParent !== null && !item.disabled);
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (this.menu.hidden) return;
    const items = this.#focusable();
    const index = items.findIndex((item) => item === document.activeElement);
    if (event.key === 'Escape') {
      event.stopPropagation();
      this.#closeMenu();
      this.more.focus();
    }
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      items[(index + step + items.length) % items.length]?.focus();
    }
  }
}

/**
 * What each control shows in this state of the call.
 * @param {Call} call @param {Translate} translate
 * @param {{ view: 'gallery' | 'speaker', panel: string | null, unread: number }} page
 * @returns {Record<Control, ControlState>}
 */
export function controlStates(call, translate, { view, panel, unread }) {
  const state = call.state;
  const grants = state?.grants;
  const isSharing = call.own.screen !== null;
  const isHandUp = state?.participants.get(state.self)?.hand_raised_order != null;
  const hands = [...(state?.participants.values() ?? [])].filter(
    (info) => info.hand_raised_order !== null,
  ).length;
  const hasScreens = state?.roomClass === 'council' && navigator.mediaDevices?.getDisplayMedia !== undefined;
  /** @param {'microphone' | 'camera'} source @returns {ControlState} */
  const ownTrack = (source) => {
    const isOn = call.isSending(source);
    const isAllowed = grants?.[source] ?? false;
    const label = isAllowed
      ? translate(`device.${source}_${isOn ? 'off' : 'on'}`)
      : translate('toolbar.not_allowed');
    return { icon: isOn ? source : `${source}_off`, label, isPressed: isOn, isDisabled: !isAllowed };
  };
  const knocks = state?.knocks?.length ?? 0;
  const unreadText = unread > 0 ? ` (${translate('toolbar.unread', { count: unread })})` : '';
  return {
    microphone: ownTrack('microphone'),
    camera: ownTrack('camera'),
    screen: {
      icon: 'screen',
      label: translate(isSharing ? 'toolbar.screen_stop' : 'toolbar.screen_start'),
      isPressed: isSharing,
      isDisabled: !grants?.screen,
      isHidden: !hasScreens,
    },
    hand: {
      icon: 'hand',
      label: translate(isHandUp ? 'toolbar.hand_down' : 'toolbar.hand_up'),
      isPressed: isHandUp,
      isDisabled: !grants?.hand,
    },
    participants: {
      icon: 'participants',
      label: translate('panel.participants'),
      isPressed: panel === 'participants',
      count: grants?.moderate ? hands : 0,
    },
    waiting: {
      icon: 'waiting',
      label: `${translate('panel.waiting')}${knocks > 0 ? ` (${translate('toolbar.waiting_count', { count: knocks })})` : ''}`,
      isPressed: panel === 'waiting',
      isHidden: state?.knocks == null,
      count: knocks,
    },
    chat: {
      icon: 'chat',
      label: translate('panel.chat') + unreadText,
      isPressed: panel === 'chat',
      isHidden: state?.roomClass !== 'council',
      count: unread,
    },
    view: {
      icon: view === 'gallery' ? 'speaker_view' : 'gallery',
      label: translate(view === 'gallery' ? 'toolbar.view_speaker' : 'toolbar.view_gallery'),
    },
    devices: { icon: 'settings', label: translate('toolbar.devices') },
    shortcuts: { icon: 'keyboard', label: translate('toolbar.shortcuts') },
    close_room: { icon: 'end', label: translate('toolbar.close_room'), isHidden: !grants?.close_room },
  };
}

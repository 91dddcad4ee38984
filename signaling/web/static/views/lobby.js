// Before joining: name, role in the demonstration, preview, devices, and what is wrong with them.

import { LevelMeter } from '../devices.js';
import { DeviceChoice } from './device_choice.js';
import { element, icon, setAttribute, setIcon, setText } from './dom.js';

/** @import { Devices, DeviceKind } from '../devices.js' */
/** @import { EncryptionPolicy, Role, RoomClass } from '../messages.js' */
/** @import { Translate } from '../texts.js' */

/** @typedef {{ name: string, role: Role, muted: Record<DeviceKind, boolean> }} Entry */

/** Which role the demonstration offers first. @type {Role[]} */
const COMMON_ROLES = ['member', 'citizen'];
/** @type {DeviceKind[]} */
const KINDS = ['camera', 'microphone'];
const METER_STEPS = 12;

export class LobbyView {
  /** What the person wants to enter with; a device that fails leaves the wish. */
  #wanted = { camera: true, microphone: true };
  #meter = new LevelMeter();
  /** @type {MediaStreamTrack | null} */
  #metered = null;
  preview = element('video', { autoplay: true, playsinline: true, class: 'preview-video' });
  previewOff = element('p', { class: 'preview-off' });
  toggles = { camera: this.#toggle('camera'), microphone: this.#toggle('microphone') };
  level = element('div', {
    class: 'level',
    role: 'meter',
    'aria-valuemin': 0,
    'aria-valuemax': METER_STEPS,
    'aria-valuenow': 0,
  });
  levelHint = element('p', { class: 'level-hint' });
  failures = element('div', { class: 'device-failures', 'aria-live': 'polite' });
  failureText = element('p', { class: 'govgr-body' });
  failure = element('div', { class: 'govgr-error-summary', role: 'alert', tabindex: '-1', hidden: true });
  name = element('input', {
    id: 'name',
    class: 'govgr-input',
    type: 'text',
    autocomplete: 'name',
    'aria-required': 'true',
    'aria-describedby': 'name-hint',
  });
  nameError = element('p', { id: 'name-error', class: 'govgr-error-message', hidden: true });
  role = element('select', { id: 'role', class: 'govgr-select device-select' });
  how = element('p', { class: 'lobby-how', role: 'status' });
  waiting = element('div', { class: 'lobby-waiting', hidden: true });
  /** @type {HTMLElement | null} */
  form = null;
  join = element('button', { type: 'submit', class: 'govgr-btn govgr-btn-primary lobby-join' });

  /**
   * @param {HTMLElement} root
   * @param {Devices} devices
   * @param {Translate} translate
   * @param {{ asksName: boolean, joinKey: string, roles: Role[], maxName: number, roomClass: RoomClass, mayJoin: boolean, lacksEncryption: EncryptionPolicy | null, onJoin: (entry: Entry) => void }} options
   */
  constructor(root, devices, translate, options) {
    this.root = root;
    this.name.maxLength = options.maxName;
    this.devices = devices;
    this.translate = translate;
    this.options = options;
    this.#build();
    devices.addEventListener('change', this.#handleDevices);
    // Browsers measure no sound before the first gesture.
    root.addEventListener('pointerdown', () => this.#meter.resume());
    /** Settled once the devices are open, or were refused. */
    this.ready = devices.openBoth();
  }

  /** The lobby is over; the devices stay open for the call. */
  close() {
    this.devices.removeEventListener('change', this.#handleDevices);
    this.#meter.stop();
    this.preview.srcObject = null;
    this.root.hidden = true;
  }

  /** Show somebody who waits how things are, where the form was; the preview stays. @param {HTMLElement} view */
  showWaiting(view) {
    if (this.form) this.form.hidden = true;
    this.waiting.replaceChildren(view);
    this.waiting.hidden = false;
  }

  /** Back to the form. */
  hideWaiting() {
    if (this.form) this.form.hidden = false;
    this.waiting.hidden = true;
    this.waiting.replaceChildren();
    this.#setBusy(false);
  }

  /** Enter as by the button; not where there is none: this browser may lack what the call needs. */
  submit() {
    this.join.click();
  }

  /** What the person enters with now. @returns {Entry} */
  entry() {
    const { camera, microphone } = this.devices.tracks;
    const role = /** @type {Role} */ (this.role.value);
    const muted = { camera: camera === null, microphone: microphone === null };
    return { name: this.name.value.trim(), role, muted };
  }

  /** Say why joining failed and let the person try again. @param {string} text */
  showFailure(text) {
    setText(this.failureText, text);
    this.failure.hidden = false;
    this.failure.focus();
    this.#setBusy(false);
  }

  #build() {
    const { translate, options } = this;
    this.preview.muted = true;
    setAttribute(this.preview, 'aria-label', translate('lobby.preview'));
    setAttribute(this.level, 'aria-label', translate('lobby.level'));
    setText(this.previewOff, translate('lobby.camera_off'));
    setText(this.nameError, translate('lobby.name_missing'));
    this.level.append(...Array.from({ length: METER_STEPS }, () => element('span', { class: 'level-step' })));
    this.failure.append(
      element('h2', { class: 'govgr-heading-s' }, translate('join.failed')),
      this.failureText,
    );
    this.role.append(
      ...sortedRoles(options.roles).map((role) =>
        element('option', { value: role }, translate(`role.${role}`)),
      ),
    );
    const preview = element(
      'section',
      { class: 'lobby-preview', 'aria-label': translate('lobby.preview') },
      element(
        'div',
        { class: 'preview' },
        this.preview,
        this.previewOff,
        element('div', { class: 'preview-controls' }, this.toggles.microphone, this.toggles.camera),
      ),
      element('div', { class: 'level-row' }, icon('microphone'), this.level),
      this.levelHint,
      this.failures,
      this.#deviceChoice(),
    );
    this.form = this.#form();
    this.root.replaceChildren(preview, this.form, this.waiting);
    this.#setBusy(false);
    this.#handleDevices();
  }

  #form() {
    const { translate, options } = this;
    const submit = (/** @type {Event} */ event) => this.#submit(event);
    return element(
      'form',
      { class: 'lobby-form', novalidate: true, onsubmit: submit },
      this.failure,
      options.asksName && this.#personFields(),
      options.roomClass === 'kep' &&
        element(
          'p',
          { class: 'lobby-promise' },
          icon('info'),
          element('span', {}, translate('lobby.no_recording')),
        ),
      this.#encryptionWarning(),
      options.mayJoin
        ? options.lacksEncryption !== 'required' && this.how
        : element('p', { class: 'govgr-error-message' }, translate('lobby.no_invitation')),
      options.mayJoin && options.lacksEncryption !== 'required' && this.join,
    );
  }

  /** What this browser lacks for the call, and what to do about it. */
  #encryptionWarning() {
    const { translate, options } = this;
    if (options.lacksEncryption === null) return null;
    const key = options.lacksEncryption === 'required' ? 'lobby.no_encryption' : 'lobby.plain';
    return element(
      'div',
      { class: 'govgr-error-summary lobby-encryption', role: 'alert' },
      element('h2', { class: 'govgr-heading-s' }, translate(key)),
      element('p', { class: 'govgr-body' }, translate(`${key}_text`)),
    );
  }

  /** Folded where the form comes under it. */
  #deviceChoice() {
    const actions = { choose: this.#choose, chooseSpeaker: () => {} };
    const choice = new DeviceChoice(this.devices, this.translate, actions, 'lobby');
    const isOpen = window.matchMedia('(min-width: 48rem)').matches;
    const summary = element('summary', {}, this.translate('lobby.devices'));
    return element('details', { class: 'lobby-devices', open: isOpen }, summary, choice.root);
  }

  #personFields() {
    const { translate } = this;
    return element(
      'div',
      {},
      element(
        'div',
        { class: 'lobby-field' },
        element('label', { class: 'lobby-label', for: 'name' }, translate('lobby.name')),
        element('p', { id: 'name-hint', class: 'lobby-hint' }, translate('lobby.name_hint')),
        this.nameError,
        this.name,
      ),
      this.options.roles.length > 0 &&
        element(
          'div',
          { class: 'lobby-field' },
          element('label', { class: 'lobby-label', for: 'role' }, translate('lobby.role')),
          this.role,
        ),
    );
  }

  /** @param {DeviceKind} kind */
  #toggle(kind) {
    return element(
      'button',
      { type: 'button', class: 'round-button', onclick: () => this.#flip(kind) },
      icon(kind),
    );
  }

  /** @param {DeviceKind} kind */
  #flip(kind) {
    this.#wanted[kind] = !this.#wanted[kind];
    if (this.#wanted[kind]) void this.devices.open(kind);
    else this.devices.close(kind);
  }

  #choose = (/** @type {DeviceKind} */ kind, /** @type {string} */ deviceId) => {
    this.#wanted[kind] = true;
    void this.devices.open(kind, deviceId);
  };

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    if (!this.options.mayJoin) return;
    const name = this.name.value.trim();
    const isMissing = this.options.asksName && name === '';
    this.nameError.hidden = !isMissing;
    setAttribute(this.name, 'aria-invalid', isMissing && 'true');
    setAttribute(this.name, 'aria-describedby', isMissing ? 'name-error' : 'name-hint');
    this.name.classList.toggle('govgr-error-input', isMissing);
    if (isMissing) return this.name.focus();
    this.#setBusy(true);
    this.options.onJoin(this.entry());
  }

  /** @param {boolean} isBusy */
  #setBusy(isBusy) {
    this.join.disabled = isBusy;
    setText(this.join, this.translate(isBusy ? 'lobby.joining' : this.options.joinKey));
  }

  #handleDevices = () => {
    const { camera, microphone } = this.devices.tracks;
    this.#showPreview(camera);
    this.#measure(microphone);
    this.#showToggles();
    this.#showFailures();
    const how = camera && microphone ? 'both' : camera ? 'camera' : microphone ? 'microphone' : 'none';
    setText(this.how, this.translate('lobby.how', { how: this.translate(`lobby.how_${how}`) }));
  };

  /** @param {MediaStreamTrack | null} camera */
  #showPreview(camera) {
    const shown = /** @type {MediaStream | null} */ (this.preview.srcObject);
    if (shown?.getVideoTracks()[0] !== (camera ?? undefined))
      this.preview.srcObject = camera && new MediaStream([camera]);
    this.previewOff.hidden = camera !== null;
    this.preview.hidden = camera === null;
  }

  /** @param {MediaStreamTrack | null} microphone */
  #measure(microphone) {
    setText(this.levelHint, this.translate(microphone === null ? 'lobby.level_off' : 'lobby.level_hint'));
    if (microphone === this.#metered) return;
    this.#metered = microphone;
    this.#meter.stop();
    this.#showLevel(0);
    if (microphone !== null) this.#meter.start(microphone, (level) => this.#showLevel(level));
  }

  /** @param {number} level From 0 to 1. */
  #showLevel(level) {
    const lit = Math.round(level * METER_STEPS);
    setAttribute(this.level, 'aria-valuenow', lit);
    [...this.level.children].forEach((step, index) => step.classList.toggle('is-lit', index < lit));
  }

  #showToggles() {
    for (const kind of KINDS) {
      const isOn = this.devices.tracks[kind] !== null;
      const button = this.toggles[kind];
      const svg = button.querySelector('svg');
      if (svg === null) continue;
      const label = this.translate(`device.${kind}_${isOn ? 'off' : 'on'}`);
      setIcon(svg, isOn ? kind : `${kind}_off`);
      setAttribute(button, 'aria-label', label);
      setAttribute(button, 'title', label);
      button.classList.toggle('is-off', !isOn);
    }
  }

  #showFailures() {
    const { translate, devices } = this;
    const failed = KINDS.filter((kind) => devices.failures[kind] !== null);
    const shown = failed.map((kind) => {
      const failure = devices.failures[kind] ?? 'unknown';
      const retry = element(
        'button',
        { type: 'button', class: 'link-button', onclick: () => void devices.open(kind) },
        translate('failure.retry'),
      );
      const text = element(
        'div',
        {},
        element('strong', {}, translate(`failure.${kind}.${failure}`)),
        ' ',
        translate(`remedy.${failure}`),
        ' ',
        retry,
      );
      return element('div', { class: 'device-failure' }, icon('warning'), text);
    });
    this.failures.replaceChildren(...shown);
  }
}

/** The common role first, the rest as the server has them. @param {Role[]} roles */
function sortedRoles(roles) {
  const common = roles.filter((role) => COMMON_ROLES.includes(role));
  return [...common, ...roles.filter((role) => !COMMON_ROLES.includes(role))];
}

// Choice of camera, microphone and loudspeaker, in the lobby and in the call.

import { canChooseSpeaker } from '../devices.js';
import { element } from './dom.js';
import { playTestSound } from './test_sound.js';

/** @import { Devices, DeviceKind } from '../devices.js' */
/** @import { Translate } from '../texts.js' */

/**
 * @typedef {object} DeviceActions
 * @property {(kind: DeviceKind, deviceId: string) => void} choose
 * @property {(deviceId: string) => void} chooseSpeaker
 */

export class DeviceChoice {
  /** @param {Devices} devices @param {Translate} translate @param {DeviceActions} actions @param {string} idPrefix */
  constructor(devices, translate, actions, idPrefix) {
    this.devices = devices;
    this.translate = translate;
    this.camera = this.#select(`${idPrefix}-camera`, (id) => actions.choose('camera', id));
    this.microphone = this.#select(`${idPrefix}-microphone`, (id) => actions.choose('microphone', id));
    this.speaker = this.#select(`${idPrefix}-speaker`, (id) => {
      devices.speaker = id;
      actions.chooseSpeaker(id);
    });
    const test = element(
      'button',
      { type: 'button', class: 'link-button', onclick: () => void playTestSound(devices.speaker) },
      translate('device.test_sound'),
    );
    this.root = element(
      'div',
      { class: 'device-choice' },
      this.#field('device.camera', this.camera),
      this.#field('device.microphone', this.microphone),
      canChooseSpeaker() && this.#field('device.speaker', this.speaker),
      test,
    );
    devices.addEventListener('change', () => void this.refresh());
    void this.refresh();
  }

  async refresh() {
    const { cameras, microphones, speakers } = await this.devices.list();
    this.#fill(this.camera, cameras, this.devices.chosen.camera);
    this.#fill(this.microphone, microphones, this.devices.chosen.microphone);
    this.#fill(this.speaker, speakers, this.devices.speaker);
  }

  /** @param {string} id @param {(deviceId: string) => void} onChoose */
  #select(id, onChoose) {
    const select = element('select', { id, class: 'govgr-select device-select' });
    select.addEventListener('change', () => onChoose(select.value));
    return select;
  }

  /** @param {string} key @param {HTMLSelectElement} select */
  #field(key, select) {
    return element(
      'div',
      { class: 'device-field' },
      element('label', { for: select.id }, this.translate(key)),
      select,
    );
  }

  /** @param {HTMLSelectElement} select @param {MediaDeviceInfo[]} list @param {string} chosen */
  #fill(select, list, chosen) {
    const entries = list
      .filter((device) => device.deviceId !== 'default')
      .map((device, index) => ({
        value: device.deviceId,
        text: device.label || this.translate('device.unnamed', { number: index + 1 }),
      }));
    const options = [{ value: '', text: this.translate('device.default') }, ...entries];
    const isSame =
      options.length === select.options.length &&
      options.every(
        ({ value, text }, index) =>
          select.options[index]?.value === value && select.options[index]?.text === text,
      );
    if (!isSame)
      select.replaceChildren(...options.map(({ value, text }) => element('option', { value }, text)));
    select.value = options.some(({ value }) => value === chosen) ? chosen : '';
  }
}

// What people see of end-to-end encryption: the lock with the code in the head of the call, what it
// means, and the question before anything goes on without.

import { confirmDialog, contentDialog } from './dialogs.js';
import { element, icon, setAttribute, setIcon, setText } from './dom.js';

/** @import { Call } from '../call.js' */
/** @import { Encryption, EncryptionState } from '../encryption.js' */
/** @import { Translate } from '../texts.js' */

/** @type {Record<EncryptionState, string>} */
const ICON_OF = { on: 'lock', waiting: 'lock', ask: 'lock_open', plain: 'lock_open' };

export class EncryptionView {
  #icon = icon('lock');
  #label = element('span', { class: 'lock-label' });
  #code = element('span', { class: 'lock-code' });
  #isAsking = false;

  /** @param {HTMLElement} button @param {Call} call @param {Translate} translate */
  constructor(button, call, translate) {
    this.button = button;
    this.call = call;
    this.translate = translate;
    button.append(this.#icon, this.#label, this.#code);
    button.addEventListener('click', () => this.#explain());
  }

  render() {
    const { call, button, translate } = this;
    const { encryption } = call;
    setAttribute(button, 'hidden', call.state?.roomClass !== 'kep');
    const state = encryption?.state ?? 'plain';
    const isAlarming = state === 'ask' || state === 'plain' || encryption?.hasConflict === true;
    setAttribute(button, 'data-state', isAlarming ? 'alarm' : state);
    setIcon(this.#icon, ICON_OF[state]);
    setText(this.#label, translate(encryption?.hasConflict ? 'lock.conflict' : `lock.${state}`));
    const [code = '', ...more] = state === 'on' ? (encryption?.codes.values() ?? []) : [];
    setText(this.#code, more.length === 0 ? code : '');
    if (encryption !== null && state === 'ask') void this.#ask(encryption);
  }

  #explain() {
    const { call, translate } = this;
    const { encryption } = call;
    const state = encryption?.state ?? 'plain';
    const paragraph = (/** @type {string} */ key) => element('p', { class: 'dialog-text' }, translate(key));
    const rows = [...(encryption?.codes ?? [])].map(([participant, code]) =>
      element(
        'div',
        { class: 'code-row' },
        element('dt', {}, call.state?.participants.get(participant)?.display_name ?? participant),
        element('dd', { class: 'code-digits' }, code),
      ),
    );
    /** @type {HTMLElement[]} */
    const content = [paragraph(`lock.${state}_text`)];
    if (encryption?.hasConflict) content.push(paragraph('lock.conflict_text'));
    if (rows.length > 0) content.push(element('dl', { class: 'codes' }, ...rows), paragraph('lock.compare'));
    contentDialog(translate, translate('lock.title'), ...content);
  }

  /** Somebody's browser cannot: go on in clear, or leave. @param {Encryption} encryption */
  async #ask(encryption) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { translate } = this;
    const name = encryption.unencrypted.map((info) => info.display_name).join(', ');
    const question = {
      title: translate('lock.ask'),
      text: translate('lock.ask_text', { name }),
      yes: translate('lock.yes_plain'),
    };
    const isAgreed = await confirmDialog(translate, question);
    this.#isAsking = false;
    if (this.call.link === 'ended' || encryption.state !== 'ask') return;
    if (isAgreed) encryption.agreeToPlain();
    else await this.call.leave();
  }
}

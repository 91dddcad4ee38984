// End-to-end encryption of one call, for the page: joins the key exchange, the transforms' worker and
// what people are shown. Knows no view. Events: `change`, `notice` {Notice}, `failed`.

import { KeyExchange } from './e2ee/key_exchange.js';
import { Protection } from './e2ee/protection.js';

/** @import { MediaConnection } from './media_connection.js' */
/** @import { ParticipantInfo } from './messages.js' */
/** @import { RoomState } from './room_state.js' */

/**
 * `waiting`: nothing can be understood by anybody yet. `on`: with everybody here. `ask`: somebody's browser
 * cannot, and this person has not agreed to go on. `plain`: agreed, the call is not encrypted end to end.
 * @typedef {'waiting' | 'on' | 'ask' | 'plain'} EncryptionState
 */

export class Encryption extends EventTarget {
  protection = new Protection();
  /** @type {KeyExchange | null} */
  #exchange = null;
  /** @type {readonly ParticipantInfo[]} */
  #others = [];
  #hasAgreedToPlain = false;
  #isPlain = false;
  #hasShownCode = false;
  /** @type {ReadonlyMap<string, string>} */
  codes = new Map();
  /** Whether somebody's keys changed or did not fit: to be shown until the call ends. */
  hasConflict = false;

  /** @param {(participant: string, payload: string) => void} send @param {boolean} mayBePlain  Whether people may agree to it. */
  constructor(send, mayBePlain) {
    super();
    this.send = send;
    this.mayBePlain = mayBePlain;
    this.protection.addEventListener('failed', () => this.dispatchEvent(new CustomEvent('failed')));
  }

  /** @returns {EncryptionState} */
  get state() {
    if (this.unencrypted.length > 0 && this.mayBePlain) return this.#hasAgreedToPlain ? 'plain' : 'ask';
    const isComplete = this.#others.length > 0 && this.#others.every(({ participant }) => this.codes.has(participant));
    return isComplete ? 'on' : 'waiting';
  }

  /** Who cannot encrypt, as the server says. */
  get unencrypted() {
    return this.#others.filter(({ encryption }) => encryption !== 'on');
  }

  /** As a new participant: new keys for everything. @param {string} room @param {string} self */
  begin(room, self) {
    this.#exchange?.close();
    for (const { participant } of this.#others) this.protection.tell({ type: 'forget', participant });
    this.protection.tell({ type: 'stop_sealing' });
    this.#others = [];
    this.codes = new Map();
    const exchange = new KeyExchange({ room, self, send: this.send });
    this.#exchange = exchange;
    const relay = (/** @type {'seal_with' | 'open_with' | 'forget' | 'stop_sealing'} */ type) =>
      exchange.addEventListener(type, (event) => this.protection.tell({ type, .../** @type {CustomEvent} */ (event).detail }));
    relay('seal_with');
    relay('stop_sealing');
    relay('open_with');
    relay('forget');
    exchange.addEventListener('codes', () => this.#handleCodes(exchange.codes));
    exchange.addEventListener('conflict', () => this.#handleConflict());
  }

  /** Take over what changed in the room. @param {RoomState} state @param {MediaConnection | null} media */
  update(state, media) {
    const others = [...state.participants.values()].filter(({ participant }) => participant !== state.self);
    const isSame = (/** @type {ParticipantInfo} */ info, /** @type {number} */ index) =>
      info.participant === this.#others[index]?.participant && info.encryption === this.#others[index]?.encryption;
    const hasChanged = others.length !== this.#others.length || !others.every(isSame);
    this.#others = others;
    for (const { mid, receiver } of media?.videoReceivers ?? []) this.protection.expect(receiver, state.sources.get(mid));
    if (!hasChanged) return;
    const encrypting = others.filter(({ encryption }) => encryption === 'on').map(({ participant }) => participant);
    void this.#exchange?.handleParticipants(encrypting);
    this.#applyPlain();
    this.dispatchEvent(new CustomEvent('change'));
  }

  /** @param {string} from @param {string} payload */
  handleKeys(from, payload) {
    void this.#exchange?.handleMessage(from, payload);
  }

  handleResumed() {
    void this.#exchange?.handleResumed();
  }

  /** The person agrees to go on with somebody whose browser cannot encrypt. */
  agreeToPlain() {
    this.#hasAgreedToPlain = true;
    this.#applyPlain();
    this.dispatchEvent(new CustomEvent('change'));
  }

  close() {
    this.#exchange?.close();
    this.protection.close();
  }

  /** Nothing goes out plain, or is shown, but while such a person is here and this one agreed. */
  #applyPlain() {
    if (this.unencrypted.length === 0) this.#hasAgreedToPlain = false;
    const isPlain = this.state === 'plain';
    if (isPlain === this.#isPlain) return;
    this.#isPlain = isPlain;
    this.protection.tell({ type: 'plain', isPlain });
  }

  /** @param {ReadonlyMap<string, string>} codes */
  #handleCodes(codes) {
    const isNew = [...codes].some(([participant, code]) => this.codes.get(participant) !== code);
    this.codes = codes;
    // The first code is simply shown. A later one asks people to compare again.
    if (isNew) this.#notice(this.#hasShownCode ? 'notice.code_changed' : 'notice.encrypted');
    this.#hasShownCode ||= codes.size > 0;
    this.dispatchEvent(new CustomEvent('change'));
  }

  #handleConflict() {
    if (!this.hasConflict) this.#notice('notice.keys_conflict');
    this.hasConflict = true;
    this.dispatchEvent(new CustomEvent('change'));
  }

  /** @param {string} key */
  #notice(key) {
    this.dispatchEvent(new CustomEvent('notice', { detail: { key, isImportant: true } }));
  }
}

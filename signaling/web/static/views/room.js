// The call itself on the page: puts the views together and turns presses into calls.

import { ChatView } from './chat.js';
import { DeviceChoice } from './device_choice.js';
import { confirmDialog, contentDialog } from './dialogs.js';
import { byId, element, icon, setAttribute, setText } from './dom.js';
import { EncryptionView } from './encryption.js';
import { KnockSound } from './knock_sound.js';
import { NoticesView } from './notices.js';
import { ParticipantsView } from './participants.js';
import { Shortcuts } from './shortcuts.js';
import { Sound } from './sound.js';
import { TilesView } from './tiles.js';
import { Toolbar, controlStates } from './toolbar.js';
import { WaitingRoomView } from './waiting_room.js';

/** @import { Call } from '../call.js' */
/** @import { ParticipantInfo } from '../messages.js' */
/** @import { Language, Translate } from '../texts.js' */

/** @typedef {'participants' | 'waiting' | 'chat'} Panel */

/** A transport that is new or has just begun again is not worth a banner yet. */
const MEDIA_BANNER_DELAY_MS = 2500;

export class RoomView {
  /** @type {Panel | null} */
  panel = null;
  #unread = 0;
  #chatSeen = 0;
  #isScheduled = false;
  #isAskingForSound = false;
  /** @type {number | undefined} */
  #bannerTimer;
  /** @type {Element | null} */
  #focusBefore = null;

  /** @param {Call} call @param {Translate} translate @param {Language} language */
  constructor(call, translate, language) {
    this.call = call;
    this.translate = translate;
    this.root = byId('room');
    this.count = byId('room-count');
    this.tiles = new TilesView(byId('room-tiles'), call, translate);
    this.notices = new NoticesView(byId('notices'), byId('banner'), translate);
    this.lock = new EncryptionView(byId('encryption'), call, translate);
    this.sound = new Sound(this.root, call, () => this.#askForSound());
    this.knockSound = new KnockSound();
    this.#buildPanels(language);
    const actions = this.#actions();
    this.toolbar = new Toolbar(byId('toolbar'), translate, actions);
    this.shortcuts = new Shortcuts(
      translate,
      actions,
      (shortcut) => shortcut !== 'chat' || call.state?.roomClass === 'council',
    );
    call.addEventListener('change', () => this.#schedule());
    call.addEventListener('notice', (event) => {
      const notice = /** @type {CustomEvent} */ (event).detail;
      if (notice.key === 'notice.knock') this.knockSound.ring();
      this.notices.show(notice);
    });
  }

  /** Take the page over from the lobby. */
  open() {
    document.body.classList.add('in-call');
    this.root.hidden = false;
    // Two people talk: the other one large.
    if (this.call.state?.roomClass === 'kep') this.tiles.view = 'speaker';
    this.#render();
    byId('room-title').focus();
  }

  close() {
    document.body.classList.remove('in-call');
    document.querySelectorAll('dialog').forEach((dialog) => dialog.close());
    this.shortcuts.stop();
    this.sound.stop();
    clearTimeout(this.#bannerTimer);
    this.root.hidden = true;
  }

  /** @param {Language} language */
  #buildPanels(language) {
    const { call, translate } = this;
    this.panels = {
      participants: this.#panel('participants'),
      waiting: this.#panel('waiting'),
      chat: this.#panel('chat'),
    };
    this.waitingRoom = new WaitingRoomView(
      this.panels.waiting.body,
      translate,
      { admit: (knock) => call.admit(knock), refuse: (knock, reason) => call.refuse(knock, reason) },
      this.knockSound,
    );
    this.participants = new ParticipantsView(this.panels.participants.body, translate, {
      allow: (participant, source, allowed) => call.allow(participant, source, allowed),
      lowerHand: (participant) => call.raiseHand(false, participant),
      moveBack: (info) => call.moveBack(info.participant),
      kick: (info) => void this.#confirmKick(info),
    });
    this.chat = new ChatView(this.panels.chat.body, translate, language, (text) => call.sendChat(text));
    byId('room-body').append(...Object.values(this.panels).map((each) => each.root));
  }

  /** @param {Panel} name */
  #panel(name) {
    const title = element(
      'h2',
      { id: `panel-${name}-title`, class: 'panel-title', tabindex: '-1' },
      this.translate(`panel.${name}`),
    );
    const close = element(
      'button',
      {
        type: 'button',
        class: 'panel-close',
        'aria-label': this.translate('panel.close'),
        onclick: () => this.#togglePanel(name),
      },
      icon('close'),
    );
    const body = element('div', { class: 'panel-body' });
    const root = element(
      'section',
      { class: `panel panel-${name}`, 'aria-labelledby': title.id, hidden: true },
      element('div', { class: 'panel-head' }, title, close),
      body,
    );
    root.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#togglePanel(name);
    });
    return { root, title, body };
  }

  #actions() {
    const { call } = this;
    return {
      microphone: () => void call.own.muteMicrophone(call.isSending('microphone')),
      camera: () => void call.own.muteCamera(call.isSending('camera')),
      screen: () => void (call.own.screen === null ? call.own.shareScreen() : call.own.stopScreen()),
      hand: () => this.#toggleHand(),
      participants: () => this.#togglePanel('participants'),
      waiting: () => this.#togglePanel('waiting'),
      chat: () => this.#togglePanel('chat'),
      view: () => this.#toggleView(),
      devices: () => this.#showDevices(),
      shortcuts: () => this.shortcuts.showList(),
      close_room: () => void this.#confirmCloseRoom(),
      leave: () => void call.leave(),
    };
  }

  #toggleHand() {
    const { call } = this;
    const state = call.state;
    if (state === null || !state.grants.hand) return;
    call.raiseHand(state.participants.get(state.self)?.hand_raised_order == null);
  }

  #toggleView() {
    this.tiles.setView(this.tiles.view === 'gallery' ? 'speaker' : 'gallery');
    this.#render();
  }

  /** @param {Panel} name */
  #togglePanel(name) {
    if (name === 'chat' && this.call.state?.roomClass !== 'council') return;
    const isOpening = this.panel !== name;
    if (isOpening && this.panel === null) this.#focusBefore = document.activeElement;
    this.panel = isOpening ? name : null;
    this.#render();
    if (isOpening) this.panels?.[name].title.focus();
    else if (this.#focusBefore instanceof HTMLElement) this.#focusBefore.focus();
  }

  #showDevices() {
    const { call, translate } = this;
    const actions = {
      choose: (/** @type {'camera' | 'microphone'} */ kind, /** @type {string} */ id) =>
        void call.own.chooseDevice(kind, id),
      chooseSpeaker: (/** @type {string} */ id) => void this.sound.chooseSpeaker(id),
    };
    contentDialog(
      translate,
      translate('toolbar.devices'),
      new DeviceChoice(call.own.devices, translate, actions, 'call').root,
    );
  }

  /** @param {ParticipantInfo} info */
  async #confirmKick({ participant, display_name: name }) {
    const { translate } = this;
    const isSure = await confirmDialog(translate, {
      title: translate('confirm.kick', { name }),
      yes: translate('confirm.yes_kick'),
    });
    if (isSure) this.call.kick(participant);
  }

  async #confirmCloseRoom() {
    const { translate } = this;
    const question = {
      title: translate('confirm.close_room'),
      text: translate('confirm.close_room_text'),
      yes: translate('confirm.yes_close'),
    };
    if (await confirmDialog(translate, question)) this.call.closeRoom();
  }

  /** Once for all players. */
  #askForSound() {
    if (this.#isAskingForSound) return;
    this.#isAskingForSound = true;
    const { translate } = this;
    this.notices.ask(translate('notice.play_sound'), translate('notice.play_sound_action'), () => {
      this.#isAskingForSound = false;
      void this.sound.play();
    });
  }

  /** Many changes in one moment are drawn once. A timer, because frames stop in a hidden tab. */
  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      if (this.call.link !== 'ended') this.#render();
    }, 30);
  }

  #render() {
    const { call, translate } = this;
    const state = call.state;
    if (state === null || this.panels === undefined) return;
    setText(this.count, translate('room.participants_count', { count: state.participants.size }));
    for (const [name, { root }] of Object.entries(this.panels))
      setAttribute(root, 'hidden', name !== this.panel);
    setAttribute(this.root, 'data-panel', this.panel);
    this.#countUnread(
      state.chat.length === 0 ? 0 : state.chat.filter((entry) => entry.participant !== state.self).length,
    );
    if (this.panel === 'participants') this.participants?.render(state);
    if (this.panel === 'waiting') this.waitingRoom?.render(state.knocks ?? []);
    if (this.panel === 'chat') this.chat?.render(state);
    this.toolbar.render(
      controlStates(call, translate, { view: this.tiles.view, panel: this.panel, unread: this.#unread }),
    );
    this.tiles.render();
    this.lock.render();
    this.#renderBanner();
  }

  /** @param {number} received Messages of others so far. */
  #countUnread(received) {
    if (this.panel === 'chat') this.#chatSeen = received;
    this.#unread = Math.max(0, received - this.#chatSeen);
  }

  #renderBanner() {
    const { call, translate } = this;
    const connectionState = call.media?.peerConnection.connectionState ?? 'new';
    const isMediaDown = connectionState === 'disconnected' || connectionState === 'failed';
    if (call.link === 'lost') {
      this.#clearBannerTimer();
      this.notices.setBanner(translate('link.lost'));
    } else if (!isMediaDown) {
      this.#clearBannerTimer();
      this.notices.setBanner(null);
    } else {
      this.#bannerTimer ??= setTimeout(
        () => this.notices.setBanner(translate('link.media')),
        MEDIA_BANNER_DELAY_MS,
      );
    }
  }

  #clearBannerTimer() {
    clearTimeout(this.#bannerTimer);
    this.#bannerTimer = undefined;
  }
}

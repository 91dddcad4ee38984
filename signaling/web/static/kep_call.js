// The call of an appointment on the page: what phase it is in, and what citizen and employee can ask
// for. The server decides all of it; its texts and forms are in the page (appointment_call.html).

import { byId } from './views/dom.js';

/** @import { Call } from './call.js' */
/** @import { CallView, Role } from './messages.js' */

/** While a sharp, still picture is wanted: fewer pictures, more bits for each. */
const SHARP = { maxFramerate: 8, maxBitrate: 4_000_000 };

export class KepCallPanel {
  /** @type {CallView | null} */
  view = null;

  /** @param {HTMLElement} root @param {Call} call */
  constructor(root, call) {
    this.root = root;
    this.call = call;
    this.role = /** @type {Role} */ (root.dataset['role']);
    this.path = root.dataset['path'] ?? '';
    this.say = byId('kep-say');
    this.problem = byId('kep-problem');
    call.addEventListener('call_state', (event) => this.update(/** @type {CustomEvent} */ (event).detail));
    for (const form of root.querySelectorAll('form')) {
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        void this.#submit(form, /** @type {SubmitEvent} */ (event).submitter);
      });
    }
    void this.#load();
  }

  /** Show how the call stands. @param {CallView} view */
  update(view) {
    const before = this.view;
    this.view = view;
    for (const part of this.root.querySelectorAll('[data-when]')) {
      /** @type {HTMLElement} */ (part).hidden = !isMet(/** @type {HTMLElement} */ (part).dataset['when'] ?? '', view);
    }
    this.root.hidden = false;
    this.call.own.isCameraObligatory = this.role === 'citizen' && !view.is_identified;
    if (before === null || before.phase !== view.phase) this.#tell(`phase_${view.phase}`);
    if ((before?.sound_only ?? null) !== view.sound_only) void this.#changeSound(view);
    if ((before?.wants_sharp_picture ?? false) !== view.wants_sharp_picture && this.role === 'citizen') {
      void this.call.setSharpCamera(view.wants_sharp_picture ? SHARP : null);
      if (view.wants_sharp_picture) this.#tell('sharp');
    }
  }

  async #load() {
    const response = await fetch(`${this.path}/call`).catch(() => null);
    if (response?.ok) this.update(await response.json());
  }

  /** @param {CallView} view */
  async #changeSound(view) {
    const isSeen = this.role === 'citizen' || this.role === 'employee';
    if (view.sound_only !== null) {
      this.#tell(`sound_${view.sound_only}`, view.sound_only === 'weak_network');
      if (isSeen) await this.call.own.muteCamera(true);
    } else if (this.root.dataset['hadSound'] === 'yes') {
      this.#tell('picture');
      if (isSeen) await this.call.own.muteCamera(false);
    }
    this.root.dataset['hadSound'] = view.sound_only === null ? '' : 'yes';
  }

  /** Say something to everybody: shown, read by screen readers, and aloud where it must not be missed.
   * @param {string} key @param {boolean} [isAloud] */
  #tell(key, isAloud = false) {
    const text = document.getElementById(`kep-text-${key}`)?.textContent ?? '';
    if (text === '') return;
    this.say.textContent = text;
    if (!isAloud || !('speechSynthesis' in window)) return;
    const spoken = new SpeechSynthesisUtterance(text);
    spoken.lang = document.documentElement.lang === 'el' ? 'el-GR' : 'en-GB';
    speechSynthesis.speak(spoken);
  }

  /** @param {HTMLFormElement} form @param {HTMLElement | null} submitter */
  async #submit(form, submitter) {
    const body = new URLSearchParams();
    for (const [key, value] of new FormData(form, submitter)) body.append(key, String(value));
    this.#showProblem('');
    this.#markMistakes(form, {});
    const button = submitter instanceof HTMLButtonElement ? submitter : null;
    if (button !== null) button.disabled = true;
    const response = await fetch(form.action, { method: 'POST', body }).catch(() => null);
    if (button !== null) button.disabled = false;
    if (response === null) return this.#showProblem('unreachable');
    if (response.ok) return;
    const answer = await response.json().catch(() => ({}));
    if (answer.errors !== undefined) this.#markMistakes(form, answer.errors);
    this.#showProblem(answer.errors !== undefined ? 'incomplete' : (answer.code ?? 'other'));
  }

  /** @param {HTMLFormElement} form @param {Record<string, string>} errors */
  #markMistakes(form, errors) {
    for (const field of form.querySelectorAll('input, select')) {
      const name = /** @type {HTMLInputElement} */ (field).name;
      if (name in errors) field.setAttribute('aria-invalid', 'true');
      else field.removeAttribute('aria-invalid');
    }
    form.querySelector('[aria-invalid]')?.dispatchEvent(new Event('focus'));
    /** @type {HTMLElement | null} */ (form.querySelector('[aria-invalid]'))?.focus();
  }

  /** @param {string} code */
  #showProblem(code) {
    const text = document.getElementById(`kep-text-problem_${code}`) ?? document.getElementById('kep-text-problem_other');
    this.problem.textContent = code === '' ? '' : (text?.textContent ?? '');
    this.problem.hidden = code === '';
  }
}

/** Whether a part of the panel is shown: `phase=identifying sound=yes identified=no`.
 * @param {string} conditions @param {CallView} view */
export function isMet(conditions, view) {
  /** @type {Record<string, string>} */
  const facts = {
    phase: view.phase,
    sound: view.sound_only === null ? 'no' : 'yes',
    identified: view.is_identified ? 'yes' : 'no',
    camera: view.citizen_camera ? 'yes' : 'no',
    sharp: view.wants_sharp_picture ? 'yes' : 'no',
  };
  return conditions
    .split(' ')
    .filter(Boolean)
    .every((each) => {
      const [name = '', wanted = ''] = each.split('=');
      return wanted.split('|').includes(facts[name] ?? '');
    });
}

// The page of the check: points with their results and remedies, preview, meter, the question of the tones.

import { element, icon, setAttribute, setIcon, setText } from '../views/dom.js';
import { remedyKeys, resultKey } from './texts.js';
import { POINTS, overall } from './verdict.js';

/** @import { Platform } from './platform.js' */
/** @import { CheckTranslate } from './texts.js' */
/** @import { Point, Verdict } from './verdict.js' */

const MARKS = { ok: 'check', warn: 'warning', fail: 'close', unknown: 'info' };

export class CheckView {
  video = element('video', { class: 'check-preview', autoplay: true, playsinline: true, hidden: true });
  meter = element('meter', { class: 'check-meter', min: '0', max: '1', hidden: true });
  start = element('button', { type: 'button', class: 'govgr-btn govgr-btn-primary govgr-btn-cta' });
  startText = element('p', { class: 'page-hint' });
  prompt = element('div', { class: 'check-prompt', role: 'status', hidden: true });
  verdict = element('div', { class: 'check-verdict', role: 'status', tabindex: '-1', hidden: true });
  points = element('ul', { class: 'check-points' });
  body = element('div', { class: 'check-columns', hidden: true });
  /** @type {Map<Point, HTMLElement>} */
  #rows = new Map();

  /** @param {HTMLElement} root @param {CheckTranslate} translate @param {Platform} platform @param {() => void} onStart */
  constructor(root, translate, platform, onStart) {
    this.translate = translate;
    this.platform = platform;
    this.video.muted = true;
    setAttribute(this.video, 'aria-label', translate('preview'));
    setAttribute(this.meter, 'aria-label', translate('level'));
    setAttribute(this.points, 'aria-label', translate('points'));
    setText(this.start, translate('start'));
    setText(this.startText, translate('start_text'));
    this.start.addEventListener('click', onStart);
    const side = element('div', { class: 'check-side' }, this.prompt, this.video, this.meter);
    this.body.append(this.points, side);
    const actions = element('div', { class: 'check-actions' }, this.start);
    root.replaceChildren(this.verdict, this.startText, this.body, actions);
  }

  /** Begin anew. */
  reset() {
    this.points.replaceChildren();
    this.#rows.clear();
    for (const point of POINTS) this.#addRow(point);
    this.verdict.hidden = true;
    this.startText.hidden = true;
    this.body.hidden = false;
    this.start.hidden = true;
  }

  /** @param {Point} point */
  setRunning(point) {
    const row = this.#rows.get(point);
    if (row === undefined) return;
    setAttribute(row, 'data-level', 'running');
    setText(part(row, '.check-result'), this.translate('running'));
  }

  /** @param {Verdict} verdict */
  show(verdict) {
    const { translate } = this;
    const { point, level } = verdict;
    const row = this.#rows.get(point);
    if (row === undefined) return;
    setAttribute(row, 'data-level', level);
    setAttribute(row, 'data-code', verdict.code);
    setIcon(/** @type {SVGSVGElement} */ (row.querySelector('svg')), MARKS[level]);
    part(row, '.check-result').replaceChildren(
      element('span', { class: 'govgr-visually-hidden' }, `${translate(`level_${level}`)}: `),
      translate(resultKey(verdict)),
    );
    const values = numbersOf(verdict);
    setText(part(row, '.check-numbers'), values === null ? '' : translate(`numbers.${point}`, values));
    const remedies = remedyKeys(verdict, this.platform).map((key) => element('li', {}, translate(key, verdict.numbers)));
    part(row, '.check-remedy').replaceChildren(...remedies);
    part(row, '.check-remedy').hidden = remedies.length === 0;
  }

  /** @param {readonly Verdict[]} verdicts @param {boolean} takesFocus */
  showResult(verdicts, takesFocus) {
    const { translate } = this;
    const result = overall(verdicts);
    setAttribute(this.verdict, 'data-level', result);
    this.verdict.replaceChildren(
      element('h2', { class: 'govgr-heading-m' }, translate(`result_${result}`)),
      element('p', {}, translate(`result_${result}_text`)),
    );
    this.verdict.hidden = false;
    setText(this.start, translate('again'));
    this.start.hidden = false;
    this.start.className = 'govgr-btn govgr-btn-secondary';
    if (takesFocus) this.verdict.focus();
  }

  /** @param {string} key @param {HTMLElement[]} buttons */
  ask(key, buttons = []) {
    this.prompt.replaceChildren(
      element('p', {}, this.translate(key)),
      element('div', { class: 'check-answers' }, ...buttons),
    );
    this.prompt.hidden = false;
  }

  /** @param {string} key @param {boolean} isMain @param {() => void} onclick */
  button(key, isMain, onclick) {
    const kind = isMain ? 'govgr-btn-primary' : 'govgr-btn-secondary';
    return element('button', { type: 'button', class: `govgr-btn ${kind}`, 'data-answer': key, onclick }, this.translate(key));
  }

  /** @param {Point} point */
  #addRow(point) {
    const row = element(
      'li',
      { class: 'check-point', 'data-point': point, 'data-level': 'waiting' },
      element('span', { class: 'check-mark', 'aria-hidden': 'true' }, icon('')),
      element(
        'div',
        {},
        element('span', { class: 'check-name' }, this.translate(`point.${point}`)),
        element('p', { class: 'check-result' }, this.translate('waiting')),
        element('p', { class: 'check-numbers' }),
        element('ul', { class: 'check-remedy govgr-list govgr-list--bullet', hidden: true }),
      ),
    );
    this.#rows.set(point, row);
    this.points.append(row);
  }
}

const SHOWN = { camera: 'width', path: 'port', server: 'join_ms', quality: 'up_kbps' };

/** Numbers worth showing, rounded; null if there are none. @param {Verdict} verdict */
function numbersOf({ point, numbers }) {
  const needed = /** @type {Record<string, string | undefined>} */ (SHOWN)[point];
  if (needed === undefined || numbers[needed] === undefined) return null;
  const isWhole = (/** @type {string} */ name) => !name.endsWith('_percent');
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, isWhole(name) ? Math.round(value) : value]));
}

/** @param {HTMLElement} row @param {string} selector @returns {HTMLElement} */
function part(row, selector) {
  const found = row.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`no ${selector}`);
  return found;
}

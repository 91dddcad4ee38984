// Connection quality as bars and words, never as colour alone.

import { element, setAttribute, setText } from './dom.js';

/** @import { Translate } from '../texts.js' */

const BARS = 4;

export function qualityBadge() {
  const bars = Array.from({ length: BARS }, () => element('span', { class: 'quality-bar' }));
  const words = element('span', { class: 'govgr-visually-hidden' });
  return element('span', { class: 'quality' }, ...bars, words);
}

/** @param {HTMLElement} badge @param {number | null} score 0 to 5. @param {Translate} translate */
export function updateQualityBadge(badge, score, translate) {
  const text = translate(score === null ? 'quality.unknown' : `quality.${score}`);
  setAttribute(badge, 'data-score', score ?? 'unknown');
  setAttribute(badge, 'title', text);
  const words = badge.querySelector('.govgr-visually-hidden');
  if (words !== null) setText(words, score === null ? '' : `, ${text}`);
}

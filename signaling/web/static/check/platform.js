// Which browser on which system this is, as far as remedies differ. Pure.

/** @typedef {'windows' | 'macos' | 'ios' | 'android' | 'linux' | 'other'} System */
/** @typedef {'chrome' | 'edge' | 'firefox' | 'safari' | 'samsung' | 'other'} BrowserName */
/** @typedef {{ system: System, browser: BrowserName, version: number }} Platform */

/** Order matters: most browsers also name those they resemble. @type {[BrowserName, RegExp][]} */
const BROWSERS = [
  ['edge', /Edg(?:e|A|iOS)?\/(\d+)/],
  ['samsung', /SamsungBrowser\/(\d+)/],
  ['firefox', /(?:Firefox|FxiOS)\/(\d+)/],
  ['chrome', /(?:Chrome|CriOS|HeadlessChrome)\/(\d+)/],
  ['safari', /Version\/(\d+).*Safari/],
];

/** @param {string} userAgent @param {number} touchPoints @returns {Platform} */
export function platformOf(userAgent, touchPoints = 0) {
  const found = BROWSERS.map(([browser, pattern]) => ({ browser, match: pattern.exec(userAgent) }));
  const first = found.find(({ match }) => match !== null);
  return {
    system: systemOf(userAgent, touchPoints),
    browser: first?.browser ?? 'other',
    version: Number(first?.match?.[1] ?? 0),
  };
}

/** @param {string} userAgent @param {number} touchPoints @returns {System} */
function systemOf(userAgent, touchPoints) {
  if (/iPhone|iPad|iPod/.test(userAgent)) return 'ios';
  if (/Android/.test(userAgent)) return 'android';
  if (/Windows/.test(userAgent)) return 'windows';
  // iPads say that they are Macs; no Mac has a touch screen.
  if (/Mac OS X|Macintosh/.test(userAgent)) return touchPoints > 1 ? 'ios' : 'macos';
  return /Linux|CrOS|X11/.test(userAgent) ? 'linux' : 'other';
}

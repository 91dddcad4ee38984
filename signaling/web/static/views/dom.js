// Small helpers to build and update elements. Text is always set as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

/** Outlines on a 24 × 24 grid, drawn as strokes. @type {Record<string, string>} */
const ICONS = {
  microphone:
    'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21M8.5 21h7',
  microphone_off:
    'M9 9.5V11a3 3 0 0 0 4.7 2.5M15 11V6a3 3 0 0 0-5.8-1M5.5 11a6.5 6.5 0 0 0 10.3 5.2M18.5 11a6.5 6.5 0 0 1-.6 2.6M12 17.5V21M8.5 21h7M4 3l16 18',
  camera: 'M3 7h12v10H3zM15 11l6-3.5v9L15 13',
  camera_off: 'M8 7h7v6M15 17H3V7h1M15 11l6-3.5v9l-3-1.7M4 3l16 18',
  screen: 'M3 5h18v11H3zM9 20h6M12 16v4M12 13V8M9.5 10L12 7.5l2.5 2.5',
  hand: 'M7 13V6.5a1.5 1.5 0 0 1 3 0V11V4.5a1.5 1.5 0 0 1 3 0V11V5.5a1.5 1.5 0 0 1 3 0V12V8.5a1.5 1.5 0 0 1 3 0V15a6 6 0 0 1-6 6h-1a6 6 0 0 1-5-2.7L4 13.8a1.5 1.5 0 0 1 2.4-1.7L7 13',
  participants:
    'M9 11a3.5 3.5 0 1 0 0-7a3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.3a3.5 3.5 0 0 1 0 6.4M18 14.2a6.5 6.5 0 0 1 3.5 5.8',
  waiting: 'M5 21V3h11v18M3 21h18M16 5h3v16M12.5 12h.01',
  chat: 'M4 4h16v12H10l-4.5 4v-4H4zM8 8.5h8M8 11.5h5',
  gallery: 'M3.5 4.5h7v6h-7zM13.5 4.5h7v6h-7zM3.5 13.5h7v6h-7zM13.5 13.5h7v6h-7z',
  speaker_view: 'M3.5 4.5h17v10h-17zM3.5 17.5h5v2h-5zM10 17.5h4v2h-4zM15.5 17.5h5v2h-5z',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  leave: 'M14 4h6v16h-6M4 12h11M8 8l-4 4l4 4',
  close: 'M5 5l14 14M19 5L5 19',
  check: 'M5 12.5l4.5 4.5L19 7',
  settings: 'M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4',
  keyboard: 'M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8',
  end: 'M3 15c0-5 18-5 18 0v2l-5-1v-2.5a14 14 0 0 0-8 0V16l-5 1z',
  pin: 'M9 4h6l-1 6l3 3H7l3-3zM12 13v7',
  warning: 'M12 4l9 16H3zM12 10v5M12 17.5h.01',
  info: 'M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18zM12 11v6M12 7.5h.01',
  lock: 'M5 11h14v9H5zM8 11V7.5a4 4 0 0 1 8 0V11M12 14.5v2',
  lock_open: 'M5 11h14v9H5zM8 11V7.5a4 4 0 0 1 7.7-1.5M12 14.5v2',
  sound: 'M4 9.5h4l5-4v13l-5-4H4zM16.5 9a4 4 0 0 1 0 6M19 6.5a8 8 0 0 1 0 11',
};

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Build an element. `props`: `class`, `data-…`, `aria-…` and other attributes; `on…` listeners;
 * true is an empty attribute, false and undefined none.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, unknown>} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, props = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (typeof value === 'function')
      made.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
    else setAttribute(made, key, /** @type {string | boolean | number | null | undefined} */ (value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Set, or remove with false, null and undefined; touches nothing that is already so.
 * @param {Element} target @param {string} name @param {string | boolean | number | null | undefined} value */
export function setAttribute(target, name, value) {
  if (value === false || value === null || value === undefined) {
    if (target.hasAttribute(name)) target.removeAttribute(name);
    return;
  }
  const text = value === true ? '' : String(value);
  if (target.getAttribute(name) !== text) target.setAttribute(name, text);
}

/** @param {Element} target @param {string} text */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** A decorative icon: what it means is said in words beside it. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('focusable', 'false');
  const path = document.createElementNS(SVG, 'path');
  svg.append(path);
  setIcon(svg, name);
  return svg;
}

/** @param {SVGSVGElement} svg @param {string} name */
export function setIcon(svg, name) {
  if (svg.dataset['icon'] === name) return;
  svg.dataset['icon'] = name;
  svg.querySelector('path')?.setAttribute('d', ICONS[name] ?? '');
}

/**
 * Make `parent`'s children the elements of `items`, in order, reusing those made before.
 * @template Item
 * @template {Element} Made
 * @param {Element} parent
 * @param {Map<string, Made>} made  Key → element, kept between calls.
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => Made} make
 * @param {(item: Item, element: Made) => void} update
 */
export function renderList(parent, made, items, keyOf, make, update) {
  const wanted = new Set(items.map(keyOf));
  for (const [key, old] of made) {
    if (wanted.has(key)) continue;
    old.remove();
    made.delete(key);
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    const each = made.get(key) ?? make(item);
    made.set(key, each);
    // Only moved when out of place: moving an element drops its focus and stalls its video.
    if (parent.children[index] !== each) parent.insertBefore(each, parent.children[index] ?? null);
    update(item, each);
  });
}

/** The element with this id, which the template promises. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

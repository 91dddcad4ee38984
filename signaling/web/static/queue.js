// How it stands for a citizen who waits: asked for again and again while the page shows it.

const INTERVAL_MS = 10_000;

/** @param {HTMLElement | null} root With `data-path` and parts with `data-fact`. */
export function watchQueue(root) {
  if (root === null) return;
  const message = document.getElementById('queue-message');
  const timer = setInterval(async () => {
    if (!root.isConnected) return clearInterval(timer);
    if (document.hidden || root.offsetParent === null) return;
    const response = await fetch(root.dataset['path'] ?? '').catch(() => null);
    if (!response?.ok) return;
    /** @type {Record<string, string | number>} */
    const facts = await response.json();
    for (const part of root.querySelectorAll('[data-fact]')) {
      const element = /** @type {HTMLElement} */ (part);
      const value = String(facts[element.dataset['fact'] ?? ''] ?? '');
      const text = element.getAttribute(`data-${value}`) ?? [value, element.dataset['unit'] ?? ''].join(' ').trim();
      if (element.textContent !== text) element.textContent = text;
    }
    if (message !== null) {
      message.textContent = String(facts['message'] ?? '');
      message.hidden = message.textContent === '';
    }
  }, INTERVAL_MS);
}

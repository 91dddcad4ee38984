// Renews a part of a page (of a live sitting, of a desk): asks the server for it again. Without this
// script the page is renewed by its link. What has the focus stays in sight when the part grows.

const INTERVAL_MS = 5000;

const part = document.getElementById('live');
const hint = document.getElementById('live-hint');

async function renew() {
  const path = part?.dataset['path'];
  if (part === null || path === undefined || document.hidden) return;
  const response = await fetch(`${path}?part=1`).catch(() => null);
  if (response === null || !response.ok || response.redirected) return;
  const parsed = new DOMParser().parseFromString(await response.text(), 'text/html');
  const focused = document.activeElement;
  if (part.contains(focused)) return;
  const wasSeen = focused !== null && focused !== document.body && isSeen(focused);
  part.replaceChildren(...parsed.body.childNodes);
  if (wasSeen) focused.scrollIntoView({ block: 'nearest' });
}

/** Whether some of it is in the window. @param {Element} element */
function isSeen(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}

if (part !== null) {
  if (hint !== null) hint.hidden = false;
  if (part.childElementCount === 0) void renew();
  setInterval(() => void renew(), INTERVAL_MS);
}

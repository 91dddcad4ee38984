// What the keyboard reaches on a page: evaluated by the driver, part by part (keyboard.py).
(() => {
  const STOPS = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]';
  const MARKS = ['outline', 'boxShadow', 'backgroundColor', 'borderColor', 'borderWidth', 'left', 'opacity'];

  const isStop = (node) =>
    node.tabIndex >= 0 &&
    !node.disabled &&
    node.closest('[inert]') === null &&
    node.checkVisibility({ visibilityProperty: true }) &&
    !(node.type === 'radio' && !node.checked && isNotFirst(node));

  /** Of radio buttons one is a stop: the chosen one, or the first. */
  function isNotFirst(radio) {
    const group = [...document.querySelectorAll(`input[type=radio][name="${CSS.escape(radio.name)}"]`)];
    return group.some((each) => each.checked) || group[0] !== radio;
  }

  /** How it looks, with what shows in its place: label, neighbours, their pseudo-elements. */
  function look(node) {
    const nodes = [node, node.nextElementSibling, node.parentElement, ...(node.labels ?? [])];
    return nodes
      .filter(Boolean)
      .flatMap((each) => [undefined, '::before', '::after'].map((pseudo) => getComputedStyle(each, pseudo)))
      .map((style) => MARKS.map((mark) => style[mark]).join())
      .join(';');
  }

  const nameOf = (node) => {
    const text = node.getAttribute('aria-label') || node.textContent.trim().slice(0, 40) || node.name || node.id;
    return `${node.tagName.toLowerCase()} «${text}»`;
  };

  /** Whether some of it can be seen where it is: in the window, and not below something else. */
  function isUncovered(node) {
    const boxes = [node, ...(node.labels ?? [])].flatMap((each) => [...each.getClientRects()]);
    return boxes.some(({ left, top, width, height }) =>
      [0.5, 0.1, 0.9].some((part) => {
        const found = document.elementFromPoint(left + width * part, top + height / 2);
        return found !== null && (node.contains(found) || found.contains(node) || [...(node.labels ?? [])].some((each) => each.contains(found)));
      }),
    );
  }

  window.tabWalk = {
    /** Remember all stops of the page, or of a part of it. */
    prepare(root) {
      document.activeElement?.blur();
      this.stops = [...document.querySelector(root).querySelectorAll(STOPS)].filter(isStop);
      this.looks = this.stops.map(look);
      return this.stops.map(nameOf);
    },
    /** Where the focus is: place among the stops or -1, whether it shows, whether it is covered. */
    step() {
      const node = document.activeElement;
      const place = this.stops.indexOf(node);
      if (place < 0) return { place, isBody: node === document.body, shows: true, uncovered: true };
      return { place, isBody: false, shows: look(node) !== this.looks[place], uncovered: isUncovered(node) };
    },
  };
})();

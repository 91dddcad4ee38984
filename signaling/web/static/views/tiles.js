// The call area: a large picture when there is one, and everybody's tiles. Measures what is visible
// and asks the call for just those pictures.

import { SPEAKER_KEY, chooseHeight, layoutGrid, streamOf } from '../layout.js';
import { hasTrack } from '../room_state.js';
import { chooseTiles } from '../stage.js';
import { element, renderList, setAttribute } from './dom.js';
import { Tile } from './tile.js';

/** @import { Call } from '../call.js' */
/** @import { RoomState } from '../room_state.js' */
/** @import { TileChoice, View } from '../stage.js' */
/** @import { Translate } from '../texts.js' */
/** @import { Wanted } from '../layout.js' */

const GAP_PX = 8;
const MIN_TILE_WIDTH_PX = { wide: 200, narrow: 130 };
const NARROW_PX = 600;
/** Width of tiles beside a large picture, as in room.css. */
const STRIP_TILE_HEIGHT_PX = 126;

export class TilesView {
  /** @type {View} */
  view = 'gallery';
  /** @type {string | null} */
  pinned = null;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {Map<string, HTMLElement>} */
  #elements = new Map();
  /** @type {Set<Element>} */
  #visible = new Set();
  /** @type {TileChoice[]} */
  #choices = [];
  /** @type {TileChoice | null} */
  #stage = null;
  #tileHeight = 0;

  /** @param {HTMLElement} root @param {Call} call @param {Translate} translate */
  constructor(root, call, translate) {
    this.root = root;
    this.call = call;
    this.translate = translate;
    this.stageTile = new Tile(translate, (participant) => this.togglePin(participant));
    this.stageTile.root.classList.add('tile-stage');
    this.stage = element(
      'ul',
      { class: 'stage', 'aria-label': translate('room.stage'), hidden: true },
      this.stageTile.root,
    );
    this.grid = element('ul', { class: 'tiles' });
    this.gallery = element(
      'div',
      { class: 'gallery', tabindex: '0', role: 'region', 'aria-label': translate('room.gallery') },
      this.grid,
    );
    this.empty = element('p', { class: 'gallery-empty' }, translate('room.alone'));
    root.append(this.stage, this.gallery, this.empty);
    const resize = new ResizeObserver(() => this.render());
    resize.observe(root);
    this.intersection = new IntersectionObserver((entries) => this.#handleIntersection(entries), {
      root: this.gallery,
    });
    document.addEventListener('visibilitychange', () => this.#ask());
    call.addEventListener('streams', () => this.render());
  }

  /** Another view or back. @param {View} view */
  setView(view) {
    this.view = view;
    this.pinned = null;
    this.render();
  }

  /** @param {string} participant */
  togglePin(participant) {
    this.pinned = this.pinned === participant ? null : participant;
    this.render();
  }

  /** Whether a large picture is shown. */
  get hasStage() {
    return this.#stage !== null;
  }

  render() {
    const state = this.call.state;
    if (state === null) return;
    if (this.pinned !== null && !state.participants.has(this.pinned)) this.pinned = null;
    const { stage, tiles } = chooseTiles(state, this.view, this.pinned, this.#followed(state));
    this.#stage = stage;
    this.#choices = tiles;
    this.root.classList.toggle('has-stage', stage !== null);
    setAttribute(this.stage, 'hidden', stage === null);
    setAttribute(this.empty, 'hidden', state.participants.size > 1);
    renderList(
      this.grid,
      this.#elements,
      tiles,
      (choice) => choice.key,
      (choice) => this.#make(choice),
      (choice) => this.#update(this.#tiles.get(choice.key), choice, state),
    );
    this.#forgetGone();
    if (stage !== null) this.#update(this.stageTile, stage, state);
    else this.stageTile.dispose();
    this.#arrange();
    this.#ask();
  }

  /** Whom the speaker m-line carries. @param {RoomState} state */
  #followed(state) {
    const mid = this.call.assignment.get(SPEAKER_KEY);
    return mid === undefined ? null : (state.sources.get(mid)?.participant ?? null);
  }

  /** @param {TileChoice} choice */
  #make(choice) {
    const tile = new Tile(this.translate, (participant) => this.togglePin(participant));
    this.#tiles.set(choice.key, tile);
    this.intersection.observe(tile.root);
    return tile.root;
  }

  #forgetGone() {
    for (const [key, tile] of this.#tiles) {
      if (this.#elements.has(key)) continue;
      this.intersection.unobserve(tile.root);
      this.#visible.delete(tile.root);
      tile.dispose();
      this.#tiles.delete(key);
    }
  }

  /** @param {Tile | undefined} tile @param {TileChoice} choice @param {RoomState} state */
  #update(tile, choice, state) {
    const info = state.participants.get(choice.participant);
    if (tile === undefined || info === undefined) return;
    const track = choice.participant === state.self ? this.#ownTrack() : this.#track(choice, state);
    const isPinned = this.pinned === choice.participant;
    tile.update({ info, source: choice.source, room: state, track, isPinned });
  }

  #ownTrack() {
    const { own } = this.call;
    return own.muted.camera ? null : own.devices.tracks.camera;
  }

  /** @param {TileChoice} choice @param {RoomState} state */
  #track({ key, participant, source }, state) {
    const info = state.participants.get(participant);
    const mid = streamOf(state.sources, this.call.assignment, key, participant, source);
    if (info === undefined || mid === null || !hasTrack(info, source)) return null;
    return this.call.media?.videoTrack(mid) ?? null;
  }

  /** Give the tiles their width; beside a large picture the style sheet does. */
  #arrange() {
    const { clientWidth: width, clientHeight: height } = this.gallery;
    if (this.#stage !== null || width === 0) {
      this.#tileHeight = STRIP_TILE_HEIGHT_PX;
      this.grid.style.removeProperty('--tile-width');
      this.grid.style.removeProperty('max-width');
      return;
    }
    const minWidth = width < NARROW_PX ? MIN_TILE_WIDTH_PX.narrow : MIN_TILE_WIDTH_PX.wide;
    const grid = layoutGrid(width, height, this.#choices.length, GAP_PX, minWidth);
    this.#tileHeight = grid.tileHeight;
    this.grid.style.setProperty('--tile-width', `${grid.tileWidth}px`);
    this.grid.style.setProperty('max-width', `${grid.columns * (grid.tileWidth + GAP_PX) - GAP_PX}px`);
    this.gallery.classList.toggle('gallery-scrolls', grid.scrolls);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #handleIntersection(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.#visible.add(target);
      else this.#visible.delete(target);
    }
    this.#ask();
  }

  /** Tell the call which pictures are shown, and how large. */
  #ask() {
    const state = this.call.state;
    if (state === null) return;
    const ratio = document.hidden ? 0 : window.devicePixelRatio;
    const others = this.#choices.filter((choice) => this.#sends(choice, state));
    const isSeen = (/** @type {TileChoice} */ { key }) =>
      this.#visible.has(this.#elements.get(key) ?? this.root);
    const tileHeight = chooseHeight(this.#tileHeight * ratio, 1);
    /** @type {Wanted[]} */
    const wanted = [
      ...this.#stageWish(state, ratio),
      ...others.filter(isSeen).map((choice) => ({ ...choice, height: tileHeight })),
      // Out of sight: keep the m-line that is there, but nothing flows.
      ...others
        .filter((choice) => !isSeen(choice) && this.call.assignment.has(choice.key))
        .map((choice) => ({ ...choice, height: 0 })),
    ];
    this.call.show(wanted);
  }

  /** @param {RoomState} state @param {number} ratio @returns {Wanted[]} */
  #stageWish(state, ratio) {
    const stage = this.#stage;
    if (stage === null) return [];
    const height = chooseHeight(this.stage.clientHeight * ratio, 1);
    if (stage.key === SPEAKER_KEY) return [{ ...stage, participant: null, height }];
    return this.#sends(stage, state) ? [{ ...stage, height }] : [];
  }

  /** Whether there is a picture to ask for. @param {TileChoice} choice @param {RoomState} state */
  #sends({ participant, source }, state) {
    const info = state.participants.get(participant);
    return participant !== state.self && info !== undefined && hasTrack(info, source);
  }
}

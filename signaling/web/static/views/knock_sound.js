// Two soft tones when somebody knocks: at most one in some seconds, and only if the person wants it.

const KEY = 'synedrion-knock-sound';
const TONES_HZ = [659.25, 523.25];
const TONE_S = 0.18;
const VOLUME = 0.15;
/** However many knock. */
const INTERVAL_MS = 8000;

export class KnockSound {
  #lastMs = -INTERVAL_MS;

  /** @param {() => number} [now] Milliseconds. */
  constructor(now = () => performance.now()) {
    this.now = now;
    this.isOn = localStorage.getItem(KEY) !== 'off';
    /** How often it has sounded, for tests. */
    this.played = 0;
  }

  /** @param {boolean} isOn */
  set(isOn) {
    this.isOn = isOn;
    localStorage.setItem(KEY, isOn ? 'on' : 'off');
  }

  /** Somebody knocks. */
  ring() {
    if (!this.isOn || this.now() - this.#lastMs < INTERVAL_MS) return;
    this.#lastMs = this.now();
    this.played += 1;
    const context = new AudioContext();
    TONES_HZ.forEach((frequency, index) => {
      const oscillator = new OscillatorNode(context, { frequency });
      oscillator.connect(new GainNode(context, { gain: VOLUME })).connect(context.destination);
      oscillator.start(context.currentTime + index * TONE_S);
      oscillator.stop(context.currentTime + (index + 1) * TONE_S);
    });
    setTimeout(() => void context.close(), TONES_HZ.length * TONE_S * 1000 + 500);
  }
}

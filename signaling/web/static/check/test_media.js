// An artificial picture, busy enough to need bits, and an artificial sound: what the network is tried with.

const SIZE = { width: 1280, height: 720 };
const FRAMES_PER_SECOND = 15;
const TILE_PX = 80;
const TONE_HZ = 440;
const VOLUME = 0.05;

export class TestMedia {
  #canvas = Object.assign(document.createElement('canvas'), SIZE);
  /** @type {AudioContext | null} */
  #context = null;
  #timer;
  #count = 0;

  constructor() {
    this.#draw();
    // A timer and not requestAnimationFrame: it also runs, if slower, while another tab is looked at.
    this.#timer = setInterval(() => this.#draw(), 1000 / FRAMES_PER_SECOND);
    this.picture = this.#canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks()[0] ?? null;
    this.sound = this.#startSound();
  }

  close() {
    clearInterval(this.#timer);
    this.picture?.stop();
    this.sound?.stop();
    void this.#context?.close();
  }

  #startSound() {
    const context = new AudioContext();
    this.#context = context;
    void context.resume();
    const destination = context.createMediaStreamDestination();
    const gain = new GainNode(context, { gain: VOLUME });
    const oscillator = new OscillatorNode(context, { frequency: TONE_HZ });
    oscillator.connect(gain).connect(destination);
    oscillator.start();
    return destination.stream.getAudioTracks()[0] ?? null;
  }

  /** Tiles that change colour in turn: motion everywhere, as a busy camera has. */
  #draw() {
    const context = this.#canvas.getContext('2d');
    if (context === null) return;
    this.#count += 1;
    for (let y = 0; y < SIZE.height; y += TILE_PX) {
      for (let x = 0; x < SIZE.width; x += TILE_PX) {
        const hue = (x * 7 + y * 13 + this.#count * 23 * (1 + ((x / TILE_PX) % 3))) % 360;
        context.fillStyle = `hsl(${hue} 60% 50%)`;
        context.fillRect(x, y, TILE_PX, TILE_PX);
        context.fillStyle = `hsl(${(hue + 180) % 360} 60% 40%)`;
        context.fillRect(x + ((this.#count * 3) % TILE_PX), y, 12, TILE_PX);
      }
    }
  }
}

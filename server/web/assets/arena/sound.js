// Blips made on the spot; nothing is loaded. Silent until the player asks for sound.

const STORED = "tickhall.sound"; // in localStorage: "on" or not there
const REACH = 900; // units from which nothing is heard

/** @typedef {"shot" | "wall" | "ship" | "death" | "spawn" | "took" | "hit" | "kill"} Sound */

export class Sounds {
  on = false;
  /** Where the ear is, in the world. */
  ear = { x: 0, y: 0 };

  /** @type {AudioContext | null} */
  #audio = null;
  /** @type {GainNode | null} */
  #out = null;
  /** @type {AudioBuffer | null} */
  #noise = null;

  constructor() {
    try {
      this.on = localStorage.getItem(STORED) === "on";
    } catch {
      // Storage is forbidden: off it is.
    }
  }

  /** Turns sound on or off. On needs a gesture of the player's, such as the click that asked for it. */
  toggle() {
    this.on = !this.on;
    try {
      if (this.on) localStorage.setItem(STORED, "on");
      else localStorage.removeItem(STORED);
    } catch {
      // It then lasts as long as the page.
    }
    if (this.on) this.play("took");
    return this.on;
  }

  /** Plays a sound that happens at x, y, or at the ear. @param {Sound} what @param {number} [x] @param {number} [y] */
  play(what, x = this.ear.x, y = this.ear.y) {
    // Browsers let nothing sound before the first click or key.
    if (!this.on || document.hidden || navigator.userActivation?.hasBeenActive === false) return;
    const near = 1 - Math.hypot(x - this.ear.x, y - this.ear.y) / REACH;
    if (near <= 0) return;
    const audio = this.#start();
    if (audio.state !== "running") return void audio.resume();
    const to = audio.createGain(), pan = audio.createStereoPanner();
    to.gain.value = near * near;
    pan.pan.value = Math.max(-0.8, Math.min(0.8, (x - this.ear.x) / 500));
    to.connect(pan).connect(/** @type {GainNode} */ (this.#out));
    switch (what) {
      case "shot": return this.#tone(to, "square", 720, 180, 0.09, 0.1);
      case "wall": return this.#hiss(to, 2400, 0.05, 0.12);
      case "ship": return this.#tone(to, "triangle", 300, 120, 0.1, 0.3);
      case "hit": return this.#tone(to, "square", 1500, 1100, 0.04, 0.08);
      case "spawn": return this.#tone(to, "sine", 240, 620, 0.25, 0.16);
      case "took":
        this.#tone(to, "sine", 660, 660, 0.08, 0.2);
        return this.#tone(to, "sine", 990, 990, 0.14, 0.2, 0.08);
      case "kill":
        this.#tone(to, "triangle", 520, 520, 0.08, 0.25);
        return this.#tone(to, "triangle", 780, 780, 0.2, 0.25, 0.09);
      case "death":
        this.#hiss(to, 700, 0.5, 0.5);
        return this.#tone(to, "sawtooth", 160, 40, 0.4, 0.2);
    }
  }

  #start() {
    if (this.#audio) return this.#audio;
    const audio = (this.#audio = new AudioContext());
    this.#out = audio.createGain();
    this.#out.gain.value = 0.5;
    this.#out.connect(audio.createDynamicsCompressor()).connect(audio.destination);
    this.#noise = audio.createBuffer(1, audio.sampleRate, audio.sampleRate);
    const samples = this.#noise.getChannelData(0);
    for (let i = 0; i < samples.length; i++) samples[i] = 2 * Math.random() - 1;
    return audio;
  }

  /** @param {AudioNode} to @param {OscillatorType} type @param {number} from @param {number} until hertz @param {number} seconds @param {number} loud @param {number} [wait] */
  #tone(to, type, from, until, seconds, loud, wait = 0) {
    const audio = this.#start(), at = audio.currentTime + wait, tone = audio.createOscillator();
    tone.type = type;
    tone.frequency.setValueAtTime(from, at);
    tone.frequency.exponentialRampToValueAtTime(until, at + seconds);
    tone.connect(this.#envelope(at, seconds, loud)).connect(to);
    tone.start(at);
    tone.stop(at + seconds);
  }

  /** @param {AudioNode} to @param {number} cut hertz @param {number} seconds @param {number} loud */
  #hiss(to, cut, seconds, loud) {
    const audio = this.#start(), at = audio.currentTime, noise = audio.createBufferSource(), filter = audio.createBiquadFilter();
    noise.buffer = this.#noise;
    filter.type = "lowpass";
    filter.frequency.setValueAtTime(cut, at);
    filter.frequency.exponentialRampToValueAtTime(cut / 6, at + seconds);
    noise.connect(filter).connect(this.#envelope(at, seconds, loud)).connect(to);
    noise.start(at);
    noise.stop(at + seconds);
  }

  /** @param {number} at @param {number} seconds @param {number} loud */
  #envelope(at, seconds, loud) {
    const gain = this.#start().createGain();
    gain.gain.setValueAtTime(loud, at);
    gain.gain.exponentialRampToValueAtTime(0.001, at + seconds);
    return gain;
  }
}

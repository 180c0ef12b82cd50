/** The points of one chart: a shared time axis and values per series, a sliding window. */
export type Labels = Record<string, string>;

export interface Track {
  key: string;
  line: number;
  labels: Labels;
  values: (number | null)[];
}

export class Window {
  times: number[] = [];
  tracks: Track[] = [];

  /** Both in milliseconds. */
  constructor(
    readonly span: number,
    readonly step: number,
  ) {}

  clear(): void {
    this.times = [];
    this.tracks = [];
  }

  /** Records a value. Times are whole multiples of the step; late ones go into their place. */
  put(line: number, labels: Labels, time: number, value: number | null): void {
    const at = this.place(time);
    if (at < 0) return;
    this.track(line, labels).values[at] = value;
  }

  /** Drops what is older than the window that ends at `now`. */
  trim(now: number): void {
    const from = this.times.findIndex((time) => time > now - this.span);
    const count = from < 0 ? this.times.length : from;
    if (count === 0) return;
    this.times.splice(0, count);
    for (const track of this.tracks) track.values.splice(0, count);
    this.tracks = this.tracks.filter((track) => track.values.some((value) => value !== null));
  }

  /** The newest value of a line: the sum is never meant, so the first series of it. */
  newest(line: number): number | null {
    const track = this.tracks.find((candidate) => candidate.line === line);
    return track?.values.findLast((value) => value !== null) ?? null;
  }

  private track(line: number, labels: Labels): Track {
    const key = `${line} ${JSON.stringify(Object.entries(labels).sort())}`;
    let track = this.tracks.find((candidate) => candidate.key === key);
    if (!track) {
      track = { key, line, labels, values: this.times.map(() => null) };
      this.tracks.push(track);
      this.tracks.sort((a, b) => a.line - b.line || a.key.localeCompare(b.key));
    }
    return track;
  }

  /** The index of `time`, which is made if it is new. Missing steps between stay empty: a gap. */
  private place(time: number): number {
    const last = this.times.at(-1);
    if (last === undefined || time > last) {
      if (last !== undefined && time - last > 2 * this.step) this.insert(this.times.length, last + this.step);
      this.insert(this.times.length, time);
      return this.times.length - 1;
    }
    if (time <= last - this.span) return -1;
    let at = this.times.length - 1;
    while (at >= 0 && (this.times[at] ?? 0) > time) at -= 1;
    if (this.times[at] !== time) {
      at += 1;
      this.insert(at, time);
    }
    return at;
  }

  private insert(at: number, time: number): void {
    this.times.splice(at, 0, time);
    for (const track of this.tracks) track.values.splice(at, 0, null);
  }
}

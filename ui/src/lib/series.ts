/** The points of one chart: a shared time axis and values per series, a sliding window. */
export type Labels = Record<string, string>;

export interface Track {
  key: string;
  line: number;
  labels: Labels;
  values: (number | null)[];
}

export function largest(values: (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? Math.max(...known) : null;
}

export class Window {
  times: number[] = [];
  tracks: Track[] = [];

  /** Both in milliseconds. */
  constructor(
    readonly span: number,
    readonly step: number,
  ) {}

  /** Records a value. Times are whole multiples of the step; late ones go into their place. */
  put(line: number, labels: Labels, time: number, value: number | null): void {
    const at = this.place(time);
    if (at < 0) return;
    this.track(line, labels).values[at] = value;
  }

  /** Drops what has left the window, which ends at the newest point. */
  trim(): void {
    const last = this.times.at(-1) ?? 0;
    const count = this.times.filter((time) => time <= last - this.span).length;
    if (count === 0) return;
    this.times.splice(0, count);
    for (const track of this.tracks) track.values.splice(0, count);
    this.tracks = this.tracks.filter((track) => track.values.some((value) => value !== null));
  }

  /** What a series is now: its newest value, unless it ended some steps ago. */
  now(track: Track): number | null {
    const at = track.values.findLastIndex((value) => value !== null);
    const isRecent = (this.times[at] ?? 0) >= (this.times.at(-1) ?? 0) - 2 * this.step;
    return isRecent ? (track.values[at] ?? null) : null;
  }

  /** A line now. Of several series the largest: a sum or an average would hide the one in trouble. */
  newest(line: number): number | null {
    return largest(this.tracks.filter((track) => track.line === line).map((track) => this.now(track)));
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

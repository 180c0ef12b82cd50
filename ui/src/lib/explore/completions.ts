/** What the editor proposes: names and values that the server has. A question is asked once a minute. */
import type { PrometheusClient } from "@prometheus-io/codemirror-promql";
import { EqlRegex, EqlSingle, Neq, NeqRegex } from "@prometheus-io/lezer-promql";
import { fetchBody } from "./ask";
import { labelName as quotedName, metricSelector } from "./draw";
import { metrics } from "./metrics.svelte";

/** More proposals of values than anybody reads; the list narrows while one types. */
const VALUES_MAX = 1_000;
const AGE_MS_MAX = 60_000;
const ENTRIES_MAX = 200;

/** The shape that the PromQL mode gives to conditions on labels. */
interface Matcher {
  type: number;
  name: string;
  value: string;
  matchesEmpty(): boolean;
}

const OPERATORS = new Map([
  [EqlSingle, "="],
  [Neq, "!="],
  [EqlRegex, "=~"],
  [NeqRegex, "!~"],
]);

/** The selector of the series that remain, whatever the label `asked` will be. */
export function selector(metric: string, matchers: Matcher[], asked: string): string {
  const conditions = matchers
    .filter((matcher) => matcher.name !== asked && matcher.value !== "" && OPERATORS.has(matcher.type))
    .map(({ name, type, value }) => `${quotedName(name)}${OPERATORS.get(type)}${JSON.stringify(value)}`);
  if (metric === "") return conditions.length > 0 ? `{${conditions.join(",")}}` : "";
  return conditions.length > 0 ? `${metricSelector(metric)}{${conditions.join(",")}}` : metricSelector(metric);
}

export class Completions implements PrometheusClient {
  private readonly ended = new AbortController();
  private readonly known = new Map<string, { at: number; answer: Promise<unknown> }>();

  async metricNames(): Promise<string[]> {
    return (await metrics.load()).map((metric) => metric.name);
  }

  async metricMetadata(): Promise<Record<string, { type: string; help: string }[]>> {
    return Object.fromEntries((await metrics.load()).map(({ name, kind, help }) => [name, [{ type: kind, help }]]));
  }

  labelNames(metric = ""): Promise<string[]> {
    return this.texts("/api/v1/labels", selector(metric, [], ""));
  }

  labelValues(label: string, metric = "", matchers: Matcher[] = []): Promise<string[]> {
    return this.texts(`/api/v1/label/${encodeURIComponent(label)}/values`, selector(metric, matchers, label));
  }

  async series(metric: string, matchers: Matcher[] = [], label = ""): Promise<Map<string, string>[]> {
    const found = await this.ask<Record<string, string>>("/api/v1/series", selector(metric, matchers, label));
    return found.map((labels) => new Map(Object.entries(labels)));
  }

  /** The mode asks for none. */
  flags(): Promise<Record<string, string>> {
    return Promise.resolve({});
  }

  destroy(): void {
    this.ended.abort();
  }

  private texts(path: string, match: string): Promise<string[]> {
    return this.ask<string>(path, match);
  }

  /** A list; empty when it cannot be had, for then there is nothing to propose. */
  private ask<T>(path: string, match: string): Promise<T[]> {
    const parameters = new URLSearchParams({ limit: String(VALUES_MAX), ...(match && { "match[]": match }) });
    const address = `${path}?${parameters}`;
    const known = this.known.get(address);
    if (known && Date.now() - known.at < AGE_MS_MAX) return known.answer as Promise<T[]>;
    if (this.known.size >= ENTRIES_MAX) this.known.clear();
    const answer = fetchBody(address, this.ended.signal).then(
      (body) => body.data as T[],
      () => {
        this.known.delete(address);
        return [];
      },
    );
    this.known.set(address, { at: Date.now(), answer });
    return answer;
  }
}

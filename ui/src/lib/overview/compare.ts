/** What key figures are compared with: objectives, and the same time yesterday. */
import type { Objective } from "../alerts/ask";
import { Failure, reachJson } from "../failure";
import { past } from "../past";
import { ask } from "../requests/ask";
import { settingsOf, valueOf } from "../settings/config";
import type { Tile } from "./queries";

/** In the unit of the tile; `null` where there is none. */
export type Limits = Partial<Record<Tile["id"], number | null>> & { ttft: number | null };

/** What models are to keep; `*` stands for those that have nothing of their own. */
export type Objectives = ReadonlyMap<string, Limits>;

const DAY_MS = 86_400_000;
/** Yesterday's value is the mean of so long, so that a chance of one second says nothing. */
const AROUND_MS = 300_000;
const UNITS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3_600 };

/** Seconds of a length of time as the configuration writes it. */
export function secondsOfSetting(text: string | null): number | null {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text ?? "") ?? [];
  return count && unit ? Number(count) * UNITS[unit]! : null;
}

/** Those of the page and the configuration; without any those that the gateway counts goodput by. */
export async function askObjectives(signal: AbortSignal): Promise<Objectives> {
  const { objectives } = await ask<{ objectives: Objective[] }>("objectives", {}, signal).catch((error: unknown) => {
    if (error instanceof Failure && error.kind === "missing") return { objectives: [] };
    throw error;
  });
  // The page's come last, and count.
  const all = new Map([...objectives].sort((one, other) => one.origin.localeCompare(other.origin)).map((one): [string, Limits] => [one.model, limitsOf(one)]));
  if (all.has("*")) return all;
  const settings = settingsOf((await reachJson<{ data: { yaml: string } }>("/api/v1/status/config", signal)).data.yaml);
  return all.set("*", { ttft: secondsOfSetting(valueOf(settings, "slo_ttft")), tpot: secondsOfSetting(valueOf(settings, "slo_tpot")) });
}

const limitsOf = ({ ttft_seconds: ttft, tpot_seconds: tpot, success_ratio: success }: Objective): Limits => ({
  ttft: ttft ?? null, tpot: tpot ?? null, errors: typeof success === "number" ? Number((1 - success).toPrecision(6)) : null,
});

/** What the worst of these models is held against: their own objective where they all have the same, else that of all. */
export function limitsFor(objectives: Objectives, models: string[]): Limits {
  const usual = objectives.get("*") ?? { ttft: null };
  const [first = usual, ...others] = [...new Set(models.map((model) => objectives.get(model) ?? usual))];
  return others.length === 0 ? first : usual;
}

/** The mean of each query around the same time yesterday; `null` where nothing is known. */
export async function askYesterday(queries: string[], end: number, signal: AbortSignal): Promise<(number | null)[]> {
  const at = end - DAY_MS;
  const { results } = await past(queries, at - AROUND_MS, at, 20, signal, 1);
  return results.map(({ series }) => {
    const values = (series[0]?.values ?? []).filter((value) => value !== null);
    return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  });
}

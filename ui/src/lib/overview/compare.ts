/** What key figures are compared with: the objectives of the configuration, and the same time yesterday. */
import { reachJson } from "../failure";
import { past } from "../past";
import { settingsOf, valueOf } from "../settings/config";
import type { Tile } from "./queries";

/** In the unit of the tile; `null` where there is none. */
export type Objectives = Partial<Record<Tile["id"], number | null>> & { ttft: number | null };
export const NO_OBJECTIVES: Objectives = { ttft: null };

const DAY_MS = 86_400_000;
/** Yesterday's value is the mean of so long, so that a chance of one second says nothing. */
const AROUND_MS = 300_000;
const UNITS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3_600 };

/** Seconds of a duration as the configuration writes it. */
export function durationOf(text: string | null): number | null {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text ?? "") ?? [];
  return count && unit ? Number(count) * UNITS[unit]! : null;
}

export async function askObjectives(signal: AbortSignal): Promise<Objectives> {
  const settings = settingsOf((await reachJson<{ data: { yaml: string } }>("/api/v1/status/config", signal)).data.yaml);
  return { ttft: durationOf(valueOf(settings, "slo_ttft")), tpot: durationOf(valueOf(settings, "slo_tpot")) };
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

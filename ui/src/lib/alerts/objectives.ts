/** An objective as its form has it: seconds, milliseconds and percent, as people write them. */
import type { Objective } from "./ask";

export interface ObjectiveFields {
  model: string;
  /** Seconds. */
  ttft: string;
  /** Milliseconds. */
  tpot: string;
  /** Percent. */
  success: string;
  ratio: string;
}

export interface ReadObjective {
  objective: Omit<Objective, "origin"> | null;
  /** The first field that makes no sense; `empty` where nothing is asked for. */
  wrong: keyof ObjectiveFields | "empty" | null;
}

/** `undefined`: not given; `NaN`: given, and no number above zero. */
function numberOf(text: string, most = Infinity): number | undefined {
  const trimmed = text.trim().replace(/%$/, "").replace(",", ".");
  if (trimmed === "") return undefined;
  const value = Number(trimmed);
  return value > 0 && value < most ? value : NaN;
}

export function readObjective({ model, ttft, tpot, success, ratio }: ObjectiveFields): ReadObjective {
  const numbers = { ttft: numberOf(ttft), tpot: numberOf(tpot), success: numberOf(success, 100), ratio: numberOf(ratio, 100) };
  const wrong = (["ttft", "tpot", "ratio", "success"] as const).find((field) => Number.isNaN(numbers[field]));
  if (model.trim() === "") return { objective: null, wrong: "model" };
  if (wrong) return { objective: null, wrong };
  if (numbers.ttft === undefined && numbers.tpot === undefined && numbers.success === undefined) return { objective: null, wrong: "empty" };
  const scaled = (value: number | undefined, factor: number) => (value === undefined ? null : Number((value / factor).toPrecision(9)));
  return {
    wrong: null,
    objective: {
      model: model.trim(), ttft_seconds: scaled(numbers.ttft, 1), tpot_seconds: scaled(numbers.tpot, 1_000),
      success_ratio: scaled(numbers.success, 100), ratio: scaled(numbers.ratio ?? 95, 100),
    },
  };
}

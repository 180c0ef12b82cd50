/** What stands in place of what is not there: it is being asked for, the asking failed, or it does not exist. */
import { whyOf } from "../failure";
import { l } from "../i18n/lanes";
import type { Ranged } from "./ask";
import type { Answer } from "./poll.svelte";

/** While there is no answer: why not. */
export const pending = ({ failure }: Pick<Answer<unknown>, "failure">): string => (failure ? whyOf(failure) : l("loading"));

/** Of queries over a range: that they failed is no fault of what they ask about, whose `reason` says why it tells nothing. */
export function missingOf(asked: Pick<Answer<Ranged>, "value" | "failure">, places: number[], reason: string): string {
  if (!asked.value) return pending(asked);
  const { errors } = asked.value;
  return places.map((place) => errors[place] ?? null).find((error) => error !== null) ?? reason;
}

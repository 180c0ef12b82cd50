import type { Span, View } from "./address";
import type { Answer } from "./ask";
import type { Failure } from "../failure";

/** What became of one query. */
export interface Outcome {
  /** Its place among the queries. */
  index: number;
  query: string;
  view: View;
  span: Span;
  /** Seconds. */
  step: number;
  answer: Answer | null;
  failure: Failure | null;
}

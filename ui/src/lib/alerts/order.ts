/** In which order people look at incidents. */
import type { Incident, IncidentState } from "./ask";
import { gravity } from "./words";

/** Those that need somebody come first. */
const RANKS: Record<IncidentState, number> = { firing: 0, acknowledged: 1, silenced: 2, maintenance: 2, inhibited: 2, resolved: 3 };

/** What needs somebody first, then the gravest, then the newest. */
export const attention = (incidents: Incident[]): Incident[] =>
  [...incidents].sort((one, other) => RANKS[one.state] - RANKS[other.state] || gravity(one.severity) - gravity(other.severity) || other.started - one.started || (one.id < other.id ? -1 : 1));

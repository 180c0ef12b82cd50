/** How series of a moment are called, and in what their values are. */
import type { Unit } from "../format";
import type { Labels } from "../past";

/** Labels that say nothing of whose series it is. */
const NOT_WHOSE = new Set(["__name__", "source", "vendor", "uuid", "pci_bus_id", "partition", "job"]);

export interface Name {
  metric: string;
  who: string;
}

export function nameOf(labels: Labels): Name {
  const { host, index } = labels;
  const device = host && index !== undefined ? `${host}/gpu${index}` : null;
  const others = Object.entries(labels).filter(([name]) => !NOT_WHOSE.has(name) && !(device && (name === "host" || name === "index" || name === "model")));
  const values = others.map(([, value]) => value).filter((value) => value !== "");
  return { metric: labels.__name__ ?? "", who: [device, ...values].filter(Boolean).join(" · ") };
}

/** From the unit at the end of a metric's name, which is where ours have it; a rate of seconds is a share of time. */
export function unitOf(query: string, name = /[a-z_]+_[a-z_]+/.exec(query)?.[0] ?? ""): Unit {
  const isRate = /\b(rate|irate|deriv)\s*\(/.test(query) && !query.includes("histogram_quantile");
  const base = name.replace(/_(total|bucket|sum|count)$/, "");
  if (base.endsWith("_ratio")) return "ratio";
  if (base.endsWith("_bytes")) return isRate ? "bytes_per_second" : "bytes";
  if (base.endsWith("_seconds")) return isRate ? "ratio" : "seconds";
  if (base.endsWith("_watts")) return "watts";
  if (base.endsWith("_celsius")) return "celsius";
  if (base.endsWith("_hertz")) return "hertz";
  return isRate ? "per_second" : "number";
}

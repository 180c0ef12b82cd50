import { describe, expect, test } from "vitest";
import { samplesOf } from "../cluster/ask";
import { PORTS, PROBES } from "../cluster/fixtures";
import { isSeen, portsOf, probesOf } from "./network";

describe("ports", () => {
  const [seen, hidden] = portsOf(samplesOf(PORTS));

  test("the widest address tells whom a port lets in", () => {
    expect(seen).toMatchObject({ scope: "all", bound: [{ address: "::", scope: "all" }, { address: "127.0.0.1", scope: "loopback" }] });
  });

  test("connections are counted by state and client, the nameless last", () => {
    expect(seen).toMatchObject({ connections: 7, established: 5, states: [{ state: "established", count: 5 }, { state: "close_wait", count: 2 }] });
    expect(seen?.clients.map(({ client }) => client)).toEqual(["10.0.0.9", "other"]);
  });

  test("of a port that nobody can look at nothing is known", () => {
    expect(hidden).toMatchObject({ instance: "b:2", scope: null, connections: null, established: null, rtt: null, queue: null });
    expect([isSeen(seen!), isSeen(hidden!)]).toEqual([true, false]);
  });
});

test("probes tell where the time went, in the order in which it went", () => {
  const [http, tls] = probesOf(samplesOf(PROBES));
  expect(http).toMatchObject({ isUp: true, seconds: 0.04, status: null, phases: [{ phase: "resolve", seconds: 0.002 }, { phase: "processing", seconds: 0.02 }] });
  expect(tls).toMatchObject({ isUp: false, seconds: null, phases: [] });
});

/** The machines as the store knows them: what node_exporter's series say, of this machine and of others. */
import type { Sample } from "../cluster/ask";
import { byName, grouped } from "../cluster/best";
import type { Unit } from "../format";
import type { Labels } from "../past";

export const HOST_METRICS = ["cpu", "memory", "disk", "filesystem", "network", "pressure", "temperature"] as const;
export type HostMetric = (typeof HOST_METRICS)[number];
export const HOST_UNIT: Record<HostMetric, Unit> = {
  cpu: "ratio", memory: "ratio", disk: "bytes_per_second", filesystem: "ratio", network: "bytes_per_second", pressure: "ratio", temperature: "celsius",
};

/** What tells machines apart: series of this one have neither label. */
const BY = "instance, job";
const DISK = 'device!~"loop.*|dm-.*|ram.*|md.*"';
const FILES = 'fstype!~"tmpfs|ramfs|overlay|squashfs|proc|sysfs|cgroup.*|devtmpfs|nsfs|iso9660"';
const LINKS = 'device!~"lo|veth.*|docker.*|br-.*|cni.*|flannel.*|cali.*"';
const PRESSURES = ["cpu", "memory", "io"]
  .map((kind) => `label_replace(sum by (${BY}) (rate(node_pressure_${kind}_waiting_seconds_total[1m])), "kind", "${kind}", "", "")`)
  .join(" or ");

/** One query per metric. Over the CPUs of one machine a share, over its disks and links a sum, else the worst. */
export const HOST_QUERIES: Record<HostMetric, string> = {
  cpu: `1 - avg by (${BY}) (rate(node_cpu_seconds_total{mode="idle"}[1m]))`,
  memory: `1 - sum by (${BY}) (node_memory_MemAvailable_bytes) / sum by (${BY}) (node_memory_MemTotal_bytes)`,
  disk: `sum by (${BY}) (rate(node_disk_read_bytes_total{${DISK}}[1m])) + sum by (${BY}) (rate(node_disk_written_bytes_total{${DISK}}[1m]))`,
  filesystem: `max by (${BY}) (1 - node_filesystem_avail_bytes{${FILES}} / (node_filesystem_size_bytes{${FILES}} > 0))`,
  network: `sum by (${BY}) (rate(node_network_receive_bytes_total{${LINKS}}[1m])) + sum by (${BY}) (rate(node_network_transmit_bytes_total{${LINKS}}[1m]))`,
  // The worst of three: a rate has no name, so they are told apart by a label.
  pressure: `max by (${BY}) (${PRESSURES})`,
  temperature: `max by (${BY}) ({__name__=~"node_hwmon_temp_celsius|node_thermal_zone_temp"} < 150)`,
};
export function hostColumns(): Record<string, string> {
  return {
    uname: "node_uname_info",
    cpus: `count by (${BY}) (node_cpu_seconds_total{mode="idle"})`,
    memory_total: `sum by (${BY}) (node_memory_MemTotal_bytes)`,
    load: "node_load1",
    boot: "node_boot_time_seconds",
    ...HOST_QUERIES,
  };
}

export interface Host {
  key: string;
  name: string;
  instance: string;
  job: string;
  kernel: string;
  cpus: number | null;
  memoryTotal: number | null;
  load: number | null;
  boot: number | null;
  values: Record<HostMetric, number | null>;
}

export const hostKey = ({ instance, job }: Labels): string => (instance ? `${job ?? ""} ${instance}` : "");

/** The machines in the answer to `hostColumns`. */
export function hostsOf(samples: Sample[]): Host[] {
  const hosts = [...grouped(samples, ({ labels }) => hostKey(labels))].map(([key, group]): Host => {
    const find = (column: string) => group.find((sample) => sample.column === column);
    const one = (column: string) => find(column)?.value ?? null;
    const uname = find("uname")?.labels ?? {};
    const { instance = "", job = "" } = group[0]?.labels ?? {};
    return {
      key,
      name: uname.nodename || instance.replace(/:\d+$/, "") || "localhost",
      instance,
      job,
      kernel: uname.release ?? "",
      cpus: one("cpus"),
      memoryTotal: one("memory_total"),
      load: one("load"),
      boot: one("boot"),
      values: Object.fromEntries(HOST_METRICS.map((metric) => [metric, one(metric)])) as Record<HostMetric, number | null>,
    };
  });
  // A machine is one that says who it is or how busy it is; a stray series makes none.
  return hosts.filter(({ cpus, values }) => cpus !== null || values.memory !== null).sort((a, b) => byName(a.name, b.name));
}

// Sends three lines as one real client of npm does. Usage: PACKAGES=FOLDER clients.mjs CLIENT ADDRESS TOKEN WORD
// Prints the client's version.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.PACKAGES}/`);
const [client, address, token, word] = process.argv.slice(2);
const lines = [`${word} slow first token`, `${word} línea "UTF-8" 模型`, `${word} CUDA error: out of memory`];

async function elasticsearch() {
  const { Client } = require("@elastic/elasticsearch");
  const es = new Client({
    node: `http://${address}/elasticsearch`,
    auth: { apiKey: { id: "anybody", api_key: token } },
  });
  const datasource = lines.map((message) => ({ message, "log.level": "error" }));
  const done = await es.helpers.bulk({ datasource, onDocument: () => ({ create: { _index: "logs" } }) });
  if (done.successful !== 3 || done.failed !== 0) throw new Error(JSON.stringify(done));
  return "@elastic/elasticsearch";
}

async function otlp() {
  const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-http");
  const { LoggerProvider, BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");
  const { resourceFromAttributes } = require("@opentelemetry/resources");
  const exporter = new OTLPLogExporter({
    url: `http://${address}/v1/logs`,
    headers: { authorization: `Bearer ${token}` },
    compression: "gzip",
  });
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": "chat", "host.name": "gpu-node-1" }),
    processors: [new BatchLogRecordProcessor({ exporter })],
  });
  const logger = provider.getLogger("vllm");
  for (const body of lines) logger.emit({ severityNumber: 17, body, attributes: { n: 1 } });
  await provider.forceFlush();
  await provider.shutdown();
  return "@opentelemetry/exporter-logs-otlp-http";
}

// Its protocol buffers are compressed by snappy, as those of Promtail.
async function loki() {
  const winston = require("winston");
  const LokiTransport = require("winston-loki");
  const transport = new LokiTransport({
    host: `http://${address}`,
    labels: { app: "vllm" },
    basicAuth: `anybody:${token}`,
    json: false,
    format: winston.format.printf(({ message }) => message),
    onConnectionError: (error) => { throw error; },
  });
  const logger = winston.createLogger({ transports: [transport] });
  for (const line of lines) logger.error(line);
  await transport.flush();
  transport.batcher?.close?.();
  return "winston-loki";
}

const name = await { elasticsearch, otlp, loki }[client]();
const { readFileSync } = await import("node:fs");
console.log(JSON.parse(readFileSync(`${process.env.PACKAGES}/node_modules/${name}/package.json`)).version);
process.exit(0);

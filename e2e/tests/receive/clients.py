"""Sends three lines as one real client does. Usage: clients.py CLIENT ADDRESS TOKEN WORD
ADDRESS is that of the HTTP port, or of the client's own protocol; WORD is in every line. Prints the client's version."""
import logging
import sys
import time
from importlib.metadata import version

client, address, token, word = sys.argv[1:5]
host, port = address.rsplit(":", 1)
lines = [f"{word} slow first token", f'{word} línea "UTF-8" 模型', f"{word} CUDA error: out of memory"]


def log(handler):
    logger = logging.getLogger("vllm")
    logger.addHandler(handler)
    for line in lines:
        logger.error(line)


def elasticsearch():
    from elasticsearch import Elasticsearch, helpers

    major = int(version("elasticsearch").split(".")[0])
    url = f"http://{address}/elasticsearch"
    if major == 7:
        es = Elasticsearch([url], http_auth=("anybody", token))
    else:
        es = Elasticsearch(url, api_key=("anybody", token), http_compress=True)
    assert es.info()["tagline"] == "You Know, for Search"
    documents = [
        {"_op_type": "create", "_index": "logs-llm-default", "message": line, "host.name": "gpu-node-1",
         "log": {"level": "error"}}
        for line in lines
    ]
    taken, errors = helpers.bulk(es, documents + [{"_op_type": "delete", "_index": "a", "_id": "1"}],
                                 raise_on_error=False)
    assert taken == 3 and errors[0]["delete"]["status"] == 404, (taken, errors)
    one = {"body": {"message": "a document alone"}} if major == 7 else {"document": {"message": "a document alone"}}
    assert es.index(index="logs", **one)["result"] == "created"
    assert es.indices.create(index="logs-new")["acknowledged"]
    template = {"index_patterns": ["logs-*"], "template": {}}
    arguments = {"body": template} if major == 7 else template
    assert es.indices.put_index_template(name="llm", **arguments)["acknowledged"]
    return "elasticsearch"


def opensearch():
    from opensearchpy import OpenSearch, helpers

    client = OpenSearch([{"host": host, "port": int(port)}], url_prefix="elasticsearch", http_auth=("anybody", token))
    client.info()
    documents = [{"_index": "logs", "message": line, "level": "error"} for line in lines]
    assert helpers.bulk(client, documents)[0] == 3
    return "opensearch-py"


def splunk_handler():
    from splunk_handler import SplunkHandler

    handler = SplunkHandler(host=host, port=port, token=token, index="main", protocol="http", verify=False,
                            flush_interval=1, sourcetype="llm", source="vllm", hostname="gpu-node-1")
    log(handler)
    handler.force_flush()
    handler.wait_until_empty_queue() if hasattr(handler, "wait_until_empty_queue") else time.sleep(2)
    return "splunk-handler"


def splunk_hec_handler():
    from splunk_hec_handler import SplunkHecHandler

    log(SplunkHecHandler(host, token, port=int(port), proto="http", ssl_verify=False, source="vllm"))
    return "splunk-hec-handler"


def loki():
    import logging_loki

    log(logging_loki.LokiHandler(url=f"http://{address}/loki/api/v1/push", tags={"app": "vllm"}, version="1",
                                 auth=("anybody", token)))
    return "python-logging-loki"


def otlp(kind):
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.resources import Resource

    try:
        from opentelemetry.sdk._logs import LoggingHandler
    except ImportError:
        from opentelemetry.instrumentation.logging.handler import LoggingHandler
    headers = {"authorization": f"Bearer {token}"}
    if kind == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

        exporter = OTLPLogExporter(endpoint=address, insecure=True, headers=headers)
    else:
        from opentelemetry.exporter.otlp.proto.http import Compression
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

        exporter = OTLPLogExporter(endpoint=f"http://{address}/v1/logs", headers=headers,
                                   compression=Compression.Gzip)
    resource = Resource({"service.name": "chat", "host.name": "gpu-node-1"})
    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    log(LoggingHandler(logger_provider=provider))
    assert provider.force_flush()
    provider.shutdown()
    return "opentelemetry-sdk"


def pylogbeat():
    from pylogbeat import PyLogBeatClient

    client = PyLogBeatClient(host, int(port), ssl_enable=False)
    client.connect()
    client.send([{"message": line, "@metadata": {"beat": "filebeat"}, "log": {"level": "error"}} for line in lines])
    client.close()
    return "pylogbeat"


package = {
    "elasticsearch": elasticsearch,
    "opensearch": opensearch,
    "splunk-handler": splunk_handler,
    "splunk-hec-handler": splunk_hec_handler,
    "loki": loki,
    "otlp-http": lambda: otlp("http"),
    "otlp-grpc": lambda: otlp("grpc"),
    "pylogbeat": pylogbeat,
}[client]()
print(version(package))

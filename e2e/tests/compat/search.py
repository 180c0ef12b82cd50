"""Searches an hour of lines as one real client does. Usage: search.py ADDRESS
Whichever of the clients is there is used; prints its version."""
import sys
from importlib.metadata import PackageNotFoundError, version

address = sys.argv[1]
try:
    major = int(version("elasticsearch").split(".")[0])
    from elasticsearch import Elasticsearch, NotFoundError

    url = f"http://{address}/elasticsearch"
    client = Elasticsearch([url]) if major == 7 else Elasticsearch(url, http_compress=True)
    name = f"elasticsearch {version('elasticsearch')}"
except PackageNotFoundError:
    from opensearchpy import NotFoundError, OpenSearch

    host, port = address.rsplit(":", 1)
    client = OpenSearch([{"host": host, "port": int(port)}], url_prefix="elasticsearch", http_compress=True)
    name, major = f"opensearch-py {version('opensearch-py')}", 7


def search(**body):
    return client.search(index="logs-*", body=body) if major == 7 else client.search(index="logs-*", **body)


errors = search(query={"term": {"log.level": "error"}}, sort=[{"@timestamp": "desc"}], size=5)
assert errors["hits"]["total"]["value"] == 15, errors
hits = errors["hits"]["hits"]
assert hits[0]["_source"]["message"] == "request=56 took=560ms", hits[0]
rest = search(query={"term": {"log.level": "error"}}, sort=[{"@timestamp": "desc"}], size=100,
              search_after=hits[-1]["sort"])
assert len(rest["hits"]["hits"]) == 10, rest
sums = search(size=0, aggs={
    "levels": {"terms": {"field": "log.level"}, "aggs": {"took": {"percentiles": {"field": "took_ms"}}}},
    "times": {"date_histogram": {"field": "@timestamp", "fixed_interval": "10m"}},
})
levels = sums["aggregations"]["levels"]["buckets"]
assert [(level["key"], level["doc_count"]) for level in levels] == [("info", 45), ("error", 15)], levels
assert sum(bucket["doc_count"] for bucket in sums["aggregations"]["times"]["buckets"]) == 60
body = {"query": {"match": {"message": "request"}}}
counted = client.count(index="logs-*", body=body) if major == 7 else client.count(index="logs-*", **body)
assert counted["count"] == 60, counted
lines = [{"index": "logs-*"}, {"size": 1}, {"index": "logs-*"}, {"query": {"match_none": {}}}]
several = client.msearch(body=lines) if major == 7 else client.msearch(searches=lines)
assert [answer["hits"]["total"]["value"] for answer in several["responses"]] == [60, 0], several
mapping = client.indices.get_mapping(index="logs-*")
assert "logs-file-default" in mapping, mapping
fields = client.field_caps(index="logs-*", fields="*")
assert fields["fields"]["message"]["text"]["searchable"], fields
assert client.indices.exists(index="logs-file-default")
assert client.cat.indices(format="json")[0]["docs.count"] == "60"
assert client.get(index="logs-file-default", id=hits[0]["_id"])["_source"]["message"] == hits[0]["_source"]["message"]
try:
    client.search(index="nothing")
    raise AssertionError("an index that is not there was found")
except NotFoundError:
    pass
print(f"{name}: search, search_after, aggregations, count, msearch, mapping, field_caps, exists, cat, get")

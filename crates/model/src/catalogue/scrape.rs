//! What is said of each target that is scraped, under Prometheus' own names.

use super::metrics;

metrics! { SCRAPE:
    SCRAPE_DURATION_SECONDS = Gauge "scrape_duration_seconds" "seconds" ["job" "instance"]
        "How long the last scrape of a target took" "最近一次抓取目标的耗时";
    SCRAPE_SAMPLES_POST_METRIC_RELABELING = Gauge "scrape_samples_post_metric_relabeling" "" ["job" "instance"]
        "Samples of the last scrape that the rules for samples left" "最近一次抓取中经指标重标记规则后保留的样本数";
    SCRAPE_SAMPLES_SCRAPED = Gauge "scrape_samples_scraped" "" ["job" "instance"]
        "Samples that a target exposed at the last scrape" "目标在最近一次抓取中暴露的样本数";
    SCRAPE_SERIES_ADDED = Gauge "scrape_series_added" "" ["job" "instance"]
        "Series of the last scrape that were new, approximately" "最近一次抓取中新出现的序列数（近似值）";
    UP = Gauge "up" "" ["job" "instance"]
        "1 when the last scrape of a target succeeded, else 0" "最近一次抓取目标成功为 1，否则为 0";
}

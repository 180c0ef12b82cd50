//! Models that are being downloaded.

use super::metrics;

metrics! { MODEL_PULL:
    MODEL_PULL_BYTES = Gauge "model_pull_bytes" "bytes" ["instance" "tool" "model" "path"]
        "What is there of a model that is being downloaded; of several files those that were seen arriving" "正在下载的模型已到达的字节数；多文件时为下载过程中观察到的文件之和";
    MODEL_PULL_BYTES_PER_SECOND = Gauge "model_pull_bytes_per_second" "" ["instance" "tool" "model" "path"]
        "How fast a model has arrived over the last half minute" "模型最近半分钟的下载速率（字节每秒）";
    MODEL_PULL_DISK_FREE_BYTES = Gauge "model_pull_disk_free_bytes" "bytes" ["instance" "tool" "model" "path"]
        "Free space of the file system that a model is downloaded to" "模型下载目标文件系统的可用空间";
    MODEL_PULL_DISK_LEFT_BYTES = Gauge "model_pull_disk_left_bytes" "bytes" ["instance" "tool" "model" "path"]
        "Free space that will be left once all of the model is there; below zero when it does not fit" "模型全部下载完成后剩余的磁盘空间，负数表示空间不足";
    MODEL_PULL_REMAINING_BYTES = Gauge "model_pull_remaining_bytes" "bytes" ["instance" "tool" "model" "path"]
        "What is still to come of a model at least, where that can be known" "模型至少还需下载的字节数（可知时才有）";
    MODEL_PULL_REMAINING_SECONDS = Gauge "model_pull_remaining_seconds" "seconds" ["instance" "tool" "model" "path"]
        "How long the rest takes at the rate of the last half minute" "按最近半分钟的速率估算的剩余下载时间";
    MODEL_PULL_SIZE_BYTES = Gauge "model_pull_size_bytes" "bytes" ["instance" "tool" "model" "path"]
        "Size of a model that is being downloaded, or of its file where a tool fetches one at a time, where that can be known" "正在下载的模型（或逐个下载时的单个文件）的总大小（可知时才有）";
}

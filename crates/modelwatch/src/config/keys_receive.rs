//! The keys of `[receive]`.

use super::{
    Config,
    keys::{Key, Type, Value},
};

macro_rules! own {
    ($path:literal $kind:expr, $variant:ident, $default:literal, $field:ident, $en:literal, $zh:literal) => {
        Key {
            path: concat!("receive.", $path),
            kind: $kind,
            default: $default,
            help_en: $en,
            help_zh: $zh,
            set: |config: &mut Config, value| {
                if let Value::$variant(value) = value {
                    config.receive.$field = value.into();
                }
            },
        }
    };
}

pub(super) const KEYS: &[Key] = &[
    own!("allow_remote_without_token" Type::Flag, Flag, "false", allow_remote_without_token,
        "Accept that other machines can send logs without a token and without TLS: everybody who reaches the port can forge lines.",
        "接受其他机器在没有令牌也没有 TLS 的情况下发送日志：能访问该端口的任何人都可以伪造日志。"),
    own!("lumberjack" Type::Address, Address, "", lumberjack,
        "Address and port for Beats and Logstash forwarders (Lumberjack), for example \"127.0.0.1:5044\". With tls_cert_file it speaks TLS.",
        "接收 Beats 与 Logstash 转发器（Lumberjack 协议）的地址与端口，例如 \"127.0.0.1:5044\"。填写 tls_cert_file 后使用 TLS。"),
    own!("otlp_grpc" Type::Address, Address, "", otlp_grpc,
        "Address and port for OpenTelemetry's logs over gRPC, for example \"127.0.0.1:4317\". With tls_cert_file it speaks TLS. OTLP over HTTP comes to server.listen.",
        "通过 gRPC 接收 OpenTelemetry 日志的地址与端口，例如 \"127.0.0.1:4317\"。填写 tls_cert_file 后使用 TLS。OTLP/HTTP 使用 server.listen。"),
    own!("syslog_tcp" Type::Address, Address, "", syslog_tcp,
        "Address and port for syslog over TCP, for example \"127.0.0.1:5514\".",
        "通过 TCP 接收 syslog 的地址与端口，例如 \"127.0.0.1:5514\"。"),
    own!("syslog_tls" Type::Address, Address, "", syslog_tls,
        "Address and port for syslog over TLS, for example \"0.0.0.0:6514\". Needs tls_cert_file.",
        "通过 TLS 接收 syslog 的地址与端口，例如 \"0.0.0.0:6514\"。须填写 tls_cert_file。"),
    own!("syslog_udp" Type::Address, Address, "", syslog_udp,
        "Address and port for syslog over UDP, for example \"127.0.0.1:5514\".",
        "通过 UDP 接收 syslog 的地址与端口，例如 \"127.0.0.1:5514\"。"),
    own!("tls_cert_file" Type::Text, Text, "", tls_cert_file,
        "File in PEM with the chain of certificates that the receivers show. Needs tls_key_file.",
        "接收端口出示的证书链文件（PEM 格式）；须同时填写 tls_key_file。"),
    own!("tls_client_ca_file" Type::Text, Text, "", tls_client_ca_file,
        "File in PEM with certificates; only senders with a certificate signed by one of them are let in.",
        "证书文件（PEM 格式）；只放行持有由其中证书签发的证书的发送方。"),
    own!("tls_key_file" Type::Text, Text, "", tls_key_file,
        "File in PEM with the key of tls_cert_file.",
        "tls_cert_file 对应的私钥文件（PEM 格式）。"),
    own!("tokens" Type::TextList, TextList, "[]", tokens,
        "Where the tokens of senders are: \"env:NAME\" or \"file:/path\". With any, a sender needs one: as bearer token, as password, as Splunk token, as API key. Syslog and Lumberjack cannot carry one.",
        "发送方令牌的存放位置：\"env:变量名\" 或 \"file:/路径\"。设置后发送方必须携带其一：Bearer 令牌、密码、Splunk 令牌或 API 密钥。syslog 与 Lumberjack 无法携带令牌。"),
];

#include "monitor/api/metrics.hpp"

#include "monitor/api/fields.hpp"

Result<MetricsConfig> parse_metrics(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    MetricsConfig metrics{.path = TRY(required_path(fields, "metrics_path"))};
    TRY(fields.done());
    return metrics;
}

void write_metrics(const MetricsConfig& metrics, JsonWriter& out) {
    out.text("metrics_path", metrics.path);
}

HttpResponse tell_prometheus(const Controller& controller) {
    return {.status = 200,
            .body = controller.observation().metrics().prometheus(),
            .content_type = "text/plain; version=0.0.4"};
}

Result<HttpResponse> put_metrics(const MetricsConfig& metrics, Controller& controller) {
    if (const auto opened = controller.observation().write_metrics_to(metrics.path); !opened.ok())
        return said_of("metrics_path", opened.error());
    controller.settings().metrics = metrics;
    return HttpResponse{};
}

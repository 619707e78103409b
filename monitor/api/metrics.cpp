#include "monitor/api/metrics.hpp"

#include <algorithm>

#include "monitor/api/fields.hpp"

namespace {

using Properties = decltype(MetricsConfig::properties);

Result<Properties> parse_properties(JsonFields& fields) {
    const JsonNode* const object = TRY(fields.object("properties"));
    Properties properties;
    if (object == nullptr) return properties;
    for (const auto& member : object->GetObject()) {
        const std::string name(member.name.GetString(), member.name.GetStringLength());
        if (!member.value.IsString()) return Error{"is not a string"}.about("properties: " + name);
        if (std::ranges::find(properties, name, &Properties::value_type::first) != properties.end())
            return Error{"is given twice"}.about("properties: " + name);
        properties.emplace_back(
            name, std::string(member.value.GetString(), member.value.GetStringLength()));
    }
    return properties;
}

void write_properties(const Properties& properties, JsonWriter& out) {
    if (properties.empty()) return;
    out.object("properties", [&] {
        for (const auto& [name, value] : properties) out.text(name.c_str(), value);
    });
}

// What each line begins with.
std::string fields_of(const MetricsConfig& metrics, const std::string& id) {
    JsonWriter out;
    if (metrics.emits_id) out.text("id", id);
    write_properties(metrics.properties, out);
    std::string fields = out.finish();
    fields.erase(0, 1);
    fields.back() = ',';
    return fields.size() == 1 ? std::string() : fields;
}

}  // namespace

Result<MetricsConfig> parse_metrics(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    MetricsConfig metrics{.path = TRY(required_path(fields, "metrics_path"))};
    metrics.emits_id = TRY(fields.boolean("emit_id")).value_or(false);
    metrics.properties = TRY(parse_properties(fields));
    TRY(fields.done());
    return metrics;
}

void write_metrics(const MetricsConfig& metrics, JsonWriter& out) {
    out.text("metrics_path", metrics.path);
    // Firecracker 1.15 has neither, and a client may compare.
    if (metrics.emits_id) out.boolean("emit_id", true);
    write_properties(metrics.properties, out);
}

HttpResponse tell_prometheus(const Controller& controller) {
    return {.status = 200,
            .body = controller.observation().metrics().prometheus(),
            .content_type = "text/plain; version=0.0.4"};
}

Result<HttpResponse> put_metrics(const MetricsConfig& metrics, Controller& controller) {
    const auto opened = controller.observation().write_metrics_to(
        metrics.path, fields_of(metrics, controller.settings().id));
    if (!opened.ok()) return said_of("metrics_path", opened.error());
    controller.settings().metrics = metrics;
    return HttpResponse{};
}

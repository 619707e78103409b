#include "monitor/api/serial.hpp"

#include "monitor/api/fields.hpp"
#include "monitor/api/rate_limits.hpp"

Result<SerialDocument> parse_serial(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    SerialDocument serial;
    serial.output_path = TRY(parse_path(fields, "serial_out_path")).value_or("");
    serial.limit = TRY(parse_bucket(fields, "rate_limiter"));
    TRY(fields.done());
    return serial;
}

void apply(const SerialDocument& serial, Config& config) {
    config.host.serial_output_path = serial.output_path;
    config.host.serial_limit = serial.limit;
}

void write_serial(const Config& config, JsonWriter& out) {
    if (!config.host.serial_output_path.empty())
        out.text("serial_out_path", config.host.serial_output_path);
    if (config.host.serial_limit.is_limited())
        write_bucket("rate_limiter", config.host.serial_limit, out);
}

Result<HttpResponse> put_serial(const SerialDocument& serial, Controller& controller) {
    Config config = controller.settings().config;
    apply(serial, config);
    return controller.take(std::move(config));
}

void write_serial_part(const char* key, const VmSettings& settings, JsonWriter& out) {
    const HostConfig& host = settings.config.host;
    if (host.serial_output_path.empty() && !host.serial_limit.is_limited()) return;
    out.object(key, [&] { write_serial(settings.config, out); });
}

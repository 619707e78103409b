#include "monitor/api/serial.hpp"

#include "monitor/api/fields.hpp"

Result<std::string> parse_serial(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    auto output_path = TRY(parse_path(fields, "serial_out_path"));
    if (TRY(fields.object("rate_limiter")) != nullptr)
        return Error{"rate_limiter", 0, "is not taken; a reader that stands still limits a guest"};
    TRY(fields.done());
    return std::move(output_path).value_or("");
}

void write_serial(const Config& config, JsonWriter& out) {
    if (!config.host.serial_output_path.empty())
        out.text("serial_out_path", config.host.serial_output_path);
}

Result<HttpResponse> put_serial(const std::string& output_path, Controller& controller) {
    Config config = controller.settings().config;
    config.host.serial_output_path = output_path;
    return controller.take(std::move(config));
}

void write_serial_part(const char* key, const VmSettings& settings, JsonWriter& out) {
    if (settings.config.host.serial_output_path.empty()) return;
    out.object(key, [&] { write_serial(settings.config, out); });
}

#include "monitor/api/boot_source.hpp"

#include "monitor/api/fields.hpp"
#include "monitor/boot/command_line.hpp"

Result<BootSource> parse_boot_source(const JsonNode& body) {
    JsonFields fields = TRY(JsonFields::of(body));
    BootSource source;
    source.kernel_path = TRY(required_path(fields, "kernel_image_path"));
    source.initrd_path = TRY(parse_path(fields, "initrd_path")).value_or("");
    source.boot_args = TRY(fields.text("boot_args")).value_or(kFirecrackerLine);
    TRY(fields.done());
    return source;
}

void apply(const BootSource& source, Config& config) {
    config.boot.kernel_path = source.kernel_path;
    config.boot.initrd_path = source.initrd_path;
    config.shape.command_line = source.boot_args;
}

void write_boot_source(const Config& config, JsonWriter& out) {
    out.text("kernel_image_path", config.boot.kernel_path);
    out.text_or_null("initrd_path", config.boot.initrd_path);
    out.text("boot_args", config.shape.command_line);
}

Result<HttpResponse> put_boot_source(const BootSource& source, Controller& controller) {
    Config config = controller.settings().config;
    apply(source, config);
    return controller.take(std::move(config));
}

void write_boot_source_part(const char* key, const VmSettings& settings, JsonWriter& out) {
    if (settings.config.boot.kernel_path.empty()) return out.null(key);
    out.object(key, [&] { write_boot_source(settings.config, out); });
}

#include "monitor/api/settings.hpp"

#include "monitor/api/documents.hpp"

std::string settings_text(const VmSettings& settings) {
    const Config& config = settings.config;
    const JsonValue whole = make_object();
    if (!config.kernel_path.empty())
        set_value(whole.get(), "boot-source", boot_source_document(config));
    JsonValue drives(json_array());
    for (const DriveConfig& drive : config.drives)
        json_array_append_new(drives.get(), drive_document(drive).release());
    set_value(whole.get(), "drives", std::move(drives));
    set_value(whole.get(), "machine-config", machine_document(config));
    JsonValue nics(json_array());
    for (const NicConfig& nic : config.nics)
        json_array_append_new(nics.get(), nic_document(nic).release());
    set_value(whole.get(), "network-interfaces", std::move(nics));
    if (!config.serial_output_path.empty())
        set_value(whole.get(), "serial", serial_document(config));
    if (settings.logger.has_value())
        set_value(whole.get(), "logger", logger_document(*settings.logger));
    if (settings.metrics.has_value())
        set_value(whole.get(), "metrics", metrics_document(*settings.metrics));
    return to_text(whole.get());
}

#include "monitor/api/settings.hpp"

#include "monitor/api/documents.hpp"

std::string settings_text(const VmSettings& settings) {
    const Config& config = settings.config;
    JsonWriter out;
    if (!config.boot.kernel_path.empty())
        out.object("boot-source", [&] { write_boot_source(config, out); });
    out.array("drives", config.drives(), [&](const auto& drive) { write_drive(drive, out); });
    out.object("machine-config", [&] { write_machine(config, out); });
    out.array("network-interfaces", config.nics(), [&](const auto& nic) { write_nic(nic, out); });
    if (!config.host.serial_output_path.empty())
        out.object("serial", [&] { write_serial(config, out); });
    if (settings.logger.has_value())
        out.object("logger", [&] { write_logger(*settings.logger, out); });
    if (settings.metrics.has_value())
        out.object("metrics", [&] { write_metrics(*settings.metrics, out); });
    return out.finish();
}

// All that a client or a configuration file has said: the VM, and where log and metrics go.
#pragma once

#include <optional>
#include <string>

#include "monitor/machine/config.hpp"
#include "monitor/metrics/logger_config.hpp"

struct VmSettings {
    std::string id = "anonymous-instance";
    Config config{};
    std::optional<LoggerConfig> logger{};
    std::optional<MetricsConfig> metrics{};
};

// As a configuration file holds it, and `GET /vm/config` tells it.
std::string settings_text(const VmSettings& settings);
